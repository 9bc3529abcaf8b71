"""`manifests list`, `show`, `verify`, `diff` and `explain`: what they print, and their exit status."""

import json
from pathlib import Path

import pytest

from manifests.cli import main
from manifests.commands import look
from manifests.identity import CONTINUE, Parent
from manifests.store import Store
from tests.manifests.command_line import Output, answer, complaint, failing, lines
from tests.manifests.helpers import damage, parts_of, publish, traces

ONE, OTHER, APART = (
    parts_of(traces(4), dropped=1),
    parts_of(traces(4, first=3)),
    parts_of(traces(3, first=90)),
)
A, B, C = ONE.identity.id, OTHER.identity.id, APART.identity.id
HOSTILE = "\x1b[2J\r\n\x07\u202e"


@pytest.fixture
def store(store_path: Path) -> Store:
    """A store with three manifests, mix:1, mix:2 and apart:1; all three say that their rows are those of one file."""
    store = Store(store_path, behind=())
    publish(store, ONE)
    publish(store, OTHER)
    publish(store, APART, "apart")
    return store


def test_list_gives_every_manifest_by_name_and_version(store: Store, capsys: Output) -> None:
    (store.root / "refs" / "apart" / "1").unlink()
    named = [(entry["name"], entry["version"], entry["id"]) for entry in entries(store, capsys)]
    assert named == [("mix", 1, A), ("mix", 2, B), ("", None, C)]
    listed = [line.split() for line in lines(store, "list", capsys=capsys)]
    assert [words[:-1] for words in listed if {A, B, C} & set(words)] == [
        ["mix:1", A, "4", "rows"],
        ["mix:2", B, "4", "rows"],
        ["(no", "name)", C, "3", "rows"],
    ]


def test_list_shows_rows_and_time_and_passes_over_what_is_damaged(store: Store, capsys: Output) -> None:
    receipt = json.loads((store.root / "manifests" / A / "receipt.json").read_text())
    (store.root / "manifests" / B / "manifest.json").write_text("{}")
    (store.root / "manifests" / C / "receipt.json").write_text("[]")
    told = {entry["id"]: (entry["rows"], entry["created"]) for entry in entries(store, capsys)}
    assert told == {A: (4, receipt["created"]), B: (None, None), C: (3, None)}
    assert any("not here, or damaged" in line for line in lines(store, "list", capsys=capsys))


def entries(store: Store, capsys: Output) -> list[dict[str, object]]:
    found = answer(store, "list", capsys=capsys)["manifests"]
    assert isinstance(found, list)
    return [entry for entry in found if entry["id"] in {A, B, C}]


def test_list_of_a_store_that_is_not_there_is_empty_and_makes_none(tmp_path: Path, capsys: Output) -> None:
    store = Store(tmp_path / "nothing", behind=())
    assert entries(store, capsys) == []
    assert main(["list", "--store", str(store.root)]) == 0
    assert not store.root.exists()


def test_show_gives_the_identity_the_receipt_and_where_the_dataset_is(store: Store, capsys: Output) -> None:
    shown = answer(store, "show", "mix:1", capsys=capsys)
    assert shown["manifest"] == json.loads(ONE.identity.data)
    assert {key: shown[key] for key in ("id", "rows", "names", "content_digest", "dataset")} == {
        "id": A,
        "rows": 4,
        "names": ["mix:1"],
        "content_digest": ONE.identity.content_digest,
        "dataset": str(store.root / "datasets" / A),
    }
    assert isinstance(shown["receipt"], dict)
    assert shown["receipt"]["name"] == "mix"


def test_show_tells_people_the_ledger_and_the_files(store: Store, capsys: Output) -> None:
    text = lines(store, "show", A[:8], capsys=capsys)
    assert text[0] == f"manifest {A}"
    assert "  names          mix:1" in text
    assert "  rows           4 (1 rejected)" in text
    assert "  source         traces: local files, taken by all/1" in text
    assert "    traces.jsonl  1 bytes  from row 1  sha256 abababababab…" in text
    words = [" ".join(line.split()) for line in text]
    assert words[words.index("ledger") + 1 : -1] == ["traces 5 rows → 4", "parse -1 1 no-answer"]
    assert text[-1] == f"dataset {store.root / 'datasets' / A}"


def test_show_says_how_to_get_a_dataset_that_is_not_here(store: Store, capsys: Output) -> None:
    (store.root / "datasets" / A).rename(store.root / "aside")
    assert answer(store, "show", "mix:1", capsys=capsys)["dataset"] is None
    assert lines(store, "show", "mix:1", capsys=capsys)[-1] == (
        f"dataset not here; 'curation regenerate {A[:12]}' rebuilds it"
    )


def test_show_draws_the_lineage_of_a_manifest_that_has_one(store: Store, capsys: Output) -> None:
    parts = parts_of(traces(2, first=50)).changed(parents=(Parent(A, CONTINUE),))
    publish(store, parts, "later")
    words = lines(store, "show", "later", capsys=capsys)
    first = words.index("lineage")
    assert words[first + 1 : first + 3] == [
        f"  later:1 {parts.identity.id[:12]} (2 rows)",
        f"  └─ continue mix:1 {A[:12]} (4 rows)",
    ]
    tree = answer(store, "show", "later", capsys=capsys)["lineage"]
    assert isinstance(tree, dict)
    assert [parent["id"] for parent in tree["parents"]] == [A]


def test_verify_says_what_was_recomputed(store: Store, capsys: Output) -> None:
    assert answer(store, "verify", "mix:1", capsys=capsys) == {
        "id": A,
        "rows": 4,
        "content_digest": ONE.identity.content_digest,
        "verified": True,
        "dataset_rows": None,
        "checks": [f"manifest {A[:12]}: 4 rows, digests, ledger and id hold"],
        "notes": [],
        "faults": [],
    }
    assert answer(store, "verify", A, "--dataset", capsys=capsys)["dataset_rows"] == 4
    assert lines(store, "verify", "mix", "--dataset", "--deep", capsys=capsys) == [
        f"manifest {B[:12]}: 4 rows, digests, ledger and id hold",
        "dataset: 4 rows, each is the manifest's",
        "deep: order, draws, duplicates, rejects, parents, receipt and names hold",
    ]


def test_verify_fails_with_status_1_and_names_the_row_that_differs(store: Store, capsys: Output) -> None:
    damage(store.root / "datasets" / A)
    assert answer(store, "verify", A, capsys=capsys)["verified"] is True
    output, errors = failing(store, "verify", A, "--dataset", "--json", capsys=capsys)
    told = json.loads(output)
    assert (told["verified"], told["faults"][0]["differing"], told["faults"][0]["of"]) == (False, 1, 4)
    assert "dataset, row 1 (traces:1)" in errors
    output, errors = failing(store, "verify", A, "--dataset", capsys=capsys)
    assert f"FAULT in manifest {A[:12]}, dataset, row 1 (traces:1)" in output
    assert all(line.isprintable() for line in output.split("\n"))


def test_verify_of_a_dataset_that_is_not_here_is_a_wrong_request(store: Store, capsys: Output) -> None:
    (store.root / "datasets" / A).rename(store.root / "aside")
    said = complaint("verify", A, "--dataset", "--store", str(store.root), capsys=capsys)
    assert f"'curation regenerate {A[:12]}' rebuilds it" in said


def test_verify_of_a_manifest_under_another_id_fails_with_status_1(store: Store, capsys: Output) -> None:
    (store.root / "manifests" / A).rename(store.root / "manifests" / ("0" * 64))
    _, errors = failing(store, "verify", "00000000", capsys=capsys)
    assert f"expected {'0' * 64}, found {A}" in errors


def test_verify_says_how_far_it_is_when_it_takes_long(
    store: Store, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "_FIRST_WORD", 0.0)
    assert main(["verify", A, "--deep", "--json", "--store", str(store.root)]) == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["verified"] is True
    assert errors == "dataset: 4 of 4\n"


def test_diff_and_explain_print_one_object_or_lines(store: Store, capsys: Output) -> None:
    told = answer(store, "diff", A, B, capsys=capsys)
    assert (told["a"], told["b"], told["identical"]) == (A, B, False)
    assert lines(store, "diff", A, A, capsys=capsys)[-1] == "the same manifest"
    assert answer(store, "explain", A, "traces:5", capsys=capsys)["status"] == "rejected"
    assert lines(store, "explain", A, "traces:2", capsys=capsys)[0] == (
        "traces:2: in, at place 2 of 4 in training order"
    )
    for wrong in ("traces", "traces:0", "nobody:1", HOSTILE):
        complaint("explain", A, wrong, "--store", str(store.root), capsys=capsys)


def test_verify_prints_all_that_was_found_as_json(store: Store, capsys: Output) -> None:
    (store.root / "manifests" / A / "rows.parquet").unlink()
    output, _ = failing(store, "verify", A, "--json", capsys=capsys)
    assert json.loads(output)["faults"] == [
        {
            "where": "rows.parquet",
            "what": "can't be read (No such file or directory)",
            "expected": None,
            "observed": None,
            "differing": None,
            "of": None,
            "cause": "an incomplete copy; fetch it again",
        }
    ]
