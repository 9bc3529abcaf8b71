"""Which manifest, from which folders, to where: what can be asked of `curation regenerate`."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.curation.helpers import (
    build_mix,
    change_byte,
    files_below,
    run_command,
    source,
    traces,
    write_recipe,
    write_traces,
)
from tests.curation.regeneration import Site, one_file


@pytest.fixture
def jsonl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return one_file(tmp_path, capsys, ".jsonl")


def test_a_dataset_that_is_whole_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    built = build_mix(tmp_path, source("one"))
    site = Site(tmp_path, built.manifest, capsys)
    (tmp_path / "one.jsonl").unlink()
    before = files_below(site.store)
    outcome = site.regenerate(json=False)
    assert outcome.status == 0
    assert "was whole already" in outcome.out
    assert files_below(site.store) == before


def test_a_damaged_dataset_is_replaced(jsonl: Site) -> None:
    assert jsonl.regenerate().status == 0
    (path,) = (jsonl.dataset / "data").iterdir()
    table = pq.read_table(path)
    answers = pa.array(["changed"] * table.num_rows)
    pq.write_table(table.set_column(4, "answer", answers), path)
    outcome = jsonl.regenerate(json=False)
    assert outcome.status == 0
    assert "rebuilt from its sources" in outcome.out
    assert pq.read_table(path).column("answer").to_pylist() == table.column("answer").to_pylist()


def test_a_dataset_whose_card_is_another_or_gone_is_replaced(jsonl: Site) -> None:
    assert jsonl.regenerate().status == 0
    card = jsonl.dataset / "README.md"
    ours = card.read_bytes()
    for other in (b"---\nconfigs: []\n---\n", None):
        card.unlink()
        if other is not None:
            card.write_bytes(other)
        outcome = jsonl.regenerate(json=False)
        assert "rebuilt from its sources" in outcome.out
        assert card.read_bytes() == ours


def test_sources_that_moved_are_read_where_they_are_said_to_be(jsonl: Site) -> None:
    (jsonl.folder / "data").rename(jsonl.folder / "moved")
    status, line = jsonl.refused()
    assert status == 2
    assert line.startswith(
        f"source one: {jsonl.folder / 'data' / 'a.jsonl'} is not there; give --sources one=DIR"
    )
    assert jsonl.regenerate("--sources", f"one={jsonl.folder / 'moved'}").status == 0


def test_what_is_said_about_sources_goes_before_what_is_remembered(jsonl: Site) -> None:
    shutil.copytree(jsonl.folder / "data", jsonl.folder / "copy")
    change_byte(jsonl.folder / "copy" / "a.jsonl", "Frage 7", "frage 7")
    status, line = jsonl.refused("--sources", f"one={jsonl.folder / 'copy'}")
    assert status == 1
    assert line.startswith("source one, row 7: ")


def test_a_machine_that_never_saw_the_sources_asks_for_them(jsonl: Site) -> None:
    for path in (jsonl.store / "local").iterdir():
        path.unlink()
    status, line = jsonl.refused()
    assert status == 2
    assert line.startswith(
        "source one: this machine does not know where its files are; give --sources one=DIR, "
    )
    assert "a.jsonl" in line
    assert jsonl.regenerate("--sources", f"one={jsonl.folder / 'data'}").status == 0


def test_sources_are_remembered_whatever_folder_the_command_ran_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_traces(tmp_path / "here" / "data" / "one.jsonl", traces(5))
    recipe = write_recipe(tmp_path / "here" / "recipe.toml", source("one", "data/*"))
    monkeypatch.chdir(recipe.parent)
    assert run_command(capsys, "build", "recipe.toml", "--store", tmp_path / "store").status == 0
    shutil.rmtree(tmp_path / "store" / "datasets")
    monkeypatch.chdir(tmp_path)
    assert run_command(capsys, "regenerate", "mix", "--store", "store").status == 0


@pytest.mark.parametrize("hint", [b"", b"no JSON", b"[]", b'{"one": 5}', b'{"two": "/"}'])
def test_a_hint_that_is_of_no_use_is_no_hint(jsonl: Site, hint: bytes) -> None:
    (jsonl.store / "local" / f"{jsonl.manifest.id}.json").write_bytes(hint)
    status, line = jsonl.refused()
    assert (status, "give --sources one=DIR" in line) == (2, True)


@pytest.mark.parametrize("whole", [False, True])
def test_a_source_that_the_manifest_does_not_have_is_refused(jsonl: Site, *, whole: bool) -> None:
    if whole:
        assert jsonl.regenerate().status == 0
    before = files_below(jsonl.folder)
    outcome = jsonl.regenerate("--sources", f"two={jsonl.folder / 'data'}")
    assert outcome.status == 2
    assert outcome.error == "--sources two: the manifest has no source of that name; it has one"
    assert files_below(jsonl.folder) == before


@pytest.mark.parametrize("text", ["one", "one=", "=data", ""])
def test_sources_that_are_not_name_equals_folder_are_refused(jsonl: Site, text: str) -> None:
    status, line = jsonl.refused("--sources", text)
    assert status == 2
    assert line.startswith(f"--sources {text!r}: expected NAME=DIR")


def test_a_dataset_can_be_rebuilt_into_a_new_folder(jsonl: Site) -> None:
    out = jsonl.folder / "new" / "dataset"
    outcome = jsonl.regenerate("--out", out)
    assert outcome.status == 0
    assert outcome.result["dataset"] == str(out)
    assert pq.read_table(out / "data").num_rows == 8
    assert not jsonl.dataset.exists()
    assert [path.name for path in out.parent.iterdir()] == ["dataset"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_folder_that_is_there_already_is_not_written_into(jsonl: Site, kind: str) -> None:
    out = jsonl.folder / "out"
    out.mkdir() if kind == "folder" else out.touch()
    status, line = jsonl.refused("--out", out)
    assert status == 2
    assert line.startswith(f"{out}: exists already; ")


def test_nothing_is_left_at_out_when_a_source_changed(jsonl: Site) -> None:
    change_byte(jsonl.folder / "data" / "a.jsonl", "Frage 7", "frage 7")
    (jsonl.folder / "new").mkdir()
    status, _ = jsonl.refused("--out", jsonl.folder / "new" / "dataset")
    assert status == 1
    assert list((jsonl.folder / "new").iterdir()) == []


def test_a_manifest_can_be_named_by_its_name_its_version_or_the_beginning_of_its_id(jsonl: Site) -> None:
    for reference in ("mix", "mix:1", jsonl.manifest.id[:8]):
        outcome = run_command(jsonl.capture, "regenerate", reference, "--store", jsonl.store, "--json")
        assert outcome.result["id"] == jsonl.manifest.id


@pytest.mark.parametrize("reference", ["other", "mix:2", "00000000", "../mix", "a/b", "abc"])
def test_a_manifest_that_is_not_there_is_refused(jsonl: Site, reference: str) -> None:
    outcome = run_command(jsonl.capture, "regenerate", reference, "--store", jsonl.store)
    assert outcome.status == 2
    assert reference.removesuffix(":2") in outcome.error
