"""`manifests audit`, and the file that `--html` writes."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from manifests.cli import main
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.page.chain import with_ancestors
from manifests.page.document import repeat_command
from manifests.page.examples import MOST_OF_A_PAGE, MOST_OF_A_PAIR, Samples, pair_examples, shown_examples
from manifests.page.samples import ABSENT, DAMAGED, look_up
from manifests.store import Store
from tests.manifests.helpers import (
    build_manifest,
    damage,
    fresh_copy,
    read_only,
    run_held_to_permissions,
    write_jsonl,
)
from tests.manifests.sessions import CHANGED, HOSTILE, audited, build_sessions, page_of, with_near

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_sessions(tmp_path_factory.mktemp("command"))


@pytest.fixture
def store(built: Store, tmp_path: Path) -> Store:
    """A copy of the store that a test may damage."""
    return Store(fresh_copy(built.root, tmp_path / "store"), behind=())


def result(store: Store, *arguments: object, status: int, capsys: Output) -> dict[str, object]:
    """The one JSON object that `manifests audit` prints."""
    assert main(["audit", *map(str, arguments), "--json", "--store", str(store.root)]) == status
    output, errors = capsys.readouterr()
    assert errors == ""
    value = json.loads(output)
    assert isinstance(value, dict)
    return value


def refusal(store: Store, *arguments: object, capsys: Output) -> str:
    """The one line with which a request is refused."""
    assert main(["audit", *map(str, arguments), "--store", str(store.root)]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    return errors


def test_two_manifests_keep_the_keys_of_old_and_gain_the_pairs(built: Store, capsys: Output) -> None:
    told = result(built, "session1", "session2", status=1, capsys=capsys)
    assert {key: told[key] for key in ("same_row", "same_content", "same_prompt", "near_duplicate")} == {
        "same_row": 0,
        "same_content": 4,
        "same_prompt": 10,
        "near_duplicate": None,
    }
    assert (told["a"], told["b"]) == (built.resolve("session1"), built.resolve("session2"))
    assert told["overlap"] is True
    assert "html" not in told
    pairs, manifests = told["pairs"], told["manifests"]
    assert isinstance(pairs, list)
    assert isinstance(manifests, list)
    assert (len(pairs), len(manifests)) == (1, 2)


def test_the_exit_status_is_that_of_the_tiers_asked_for(built: Store, capsys: Output) -> None:
    result(built, "session1", "session2", "--tiers", "row", status=0, capsys=capsys)
    result(built, "session1", "session2", "--tiers", "row, prompt", status=1, capsys=capsys)
    result(built, "session2", "session3", "session4", status=0, capsys=capsys)
    result(built, "session2", "session3", "session4", "session1", status=1, capsys=capsys)


def test_the_last_line_for_people_is_the_verdict(built: Store, capsys: Output) -> None:
    assert main(["audit", "session1", "session4", "--store", str(built.root)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no overlap by row or content"


def test_ancestors_are_compared_too_and_stand_before_what_was_built_on_them(
    built: Store, capsys: Output
) -> None:
    told = result(built, "session4", "--ancestors", status=1, capsys=capsys)
    manifests = told["manifests"]
    assert isinstance(manifests, list)
    assert [entry["name"] for entry in manifests] == ["session3", "session1", "session4"]
    chain = with_ancestors(built, [built.manifest("session5")])
    assert [manifest.name for manifest in chain] == ["session1", "session3", "session4", "session5"]
    alone = with_ancestors(built, [built.manifest("session2")])
    assert [manifest.name for manifest in alone] == ["session2"]
    named = with_ancestors(built, [built.manifest("session4"), built.manifest("session1")])
    assert [manifest.name for manifest in named] == ["session3", "session4", "session1"]


def test_an_ancestor_that_is_not_there_is_an_error(store: Store, capsys: Output) -> None:
    shutil.rmtree(store.root / "manifests" / store.resolve("session3"))
    assert store.resolve("session3") in refusal(store, "session4", "--ancestors", capsys=capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["session1"], "at least two manifests"),
        (["session2", "--ancestors"], "at least two manifests"),
        (["session1", "session1:1"], "named twice"),
        (
            ["session1", "session2", "--tiers", ","],
            "--tiers ',': expected some of row, content, prompt, near",
        ),
        (["session1", "session2", "--tiers", "rows"], "tier 'rows'"),
        (["session1", "session2", "--tiers", "near"], "carries no sketches"),
        (["session1", "session2", "--threshold", "high"], "'high' is no number"),
        (["session1", "session2", "--threshold", "NaN"], "'NaN' is no similarity"),
        (["session1", "session2", "--threshold", "1.5"], "expected a similarity above 0, at most 1"),
        (["session1", "session2", "--verify-near"], "no two of these manifests carry sketches"),
        (["session1", "nobody"], "nobody"),
    ],
)
def test_requests_that_can_t_be_are_refused(
    arguments: list[str], told: str, built: Store, capsys: Output
) -> None:
    assert told in refusal(built, *arguments, capsys=capsys)


def test_near_duplicates_are_told_from_sketches_and_confirmed_on_the_texts(
    store: Store, tmp_path: Path, capsys: Output
) -> None:
    texts_of = [" ".join(f"w{number}-{word}" for word in range(100)) for number in range(3)]
    texts = [Trace(f"Question {number}?", text, "yes") for number, text in enumerate(texts_of)]
    changed = [texts[0]._replace(answer="no"), texts[1]._replace(reasoning=texts_of[1] + " end")]
    for name, rows in (("near1", texts), ("near2", changed)):
        build_manifest(store.root, name, {"made": write_jsonl(tmp_path / f"{name}.jsonl", rows)}, sketch=True)
    page = tmp_path / "near.html"
    asked = ("near1", "near2", "--tiers", "near", "--html", page)
    estimated = result(store, *asked, status=1, capsys=capsys)
    assert (estimated["near_duplicate"], estimated["near_confirmed"]) == (2, False)
    assert "not confirmed on the texts" in page.read_text(encoding="utf-8")
    confirmed = result(store, *asked, "--verify-near", status=1, capsys=capsys)
    assert (confirmed["near_duplicate"], confirmed["near_confirmed"]) == (2, True)
    text = page.read_text(encoding="utf-8")
    told = (">confirmed on the texts", "held against the texts themselves", "near duplicate, similarity 0.9")
    assert all(words in text for words in told)
    result(store, *asked, "--verify-near", "--threshold", "0.99", status=0, capsys=capsys)


def test_html_writes_the_page_in_place_of_the_old_one_and_says_where(
    built: Store, tmp_path: Path, capsys: Output
) -> None:
    target = tmp_path / "audit.html"
    target.write_text("old")
    (tmp_path / "seen").hardlink_to(target)
    told = result(built, "session1", "session2", "--html", target, status=1, capsys=capsys)
    assert told["html"] == str(target)
    assert target.read_text(encoding="utf-8") == page_of(built, audited(built, "session1", "session2"))
    assert (tmp_path / "seen").read_text() == "old"  # whoever had it open goes on with the whole of it
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.html", "seen"]


def test_a_folder_that_can_t_be_written_is_named(built: Store, tmp_path: Path) -> None:
    page = tmp_path / "closed" / "audit.html"
    page.parent.mkdir()
    with read_only(page.parent):
        ran = run_held_to_permissions(
            "-m", "manifests", "audit", "session1", "session4", "--html", page, "--store", built.root
        )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert f"--html {page}: {page.parent} can't be written; choose another place" in ran.stderr


def test_the_same_audit_gives_the_same_bytes(built: Store, store: Store) -> None:
    outcome, again = audited(built, "session1", "session2"), audited(store, "session1", "session2")
    assert page_of(built, outcome) == page_of(store, again)


def test_a_page_that_can_t_be_written_is_refused_before_any_work(
    built: Store, tmp_path: Path, capsys: Output
) -> None:
    told = refusal(built, "nobody", "session2", "--html", tmp_path, capsys=capsys)
    assert f"--html {tmp_path}: a folder" in told
    missing = tmp_path / "missing" / "audit.html"
    assert f"there is no folder {missing.parent}" in refusal(
        built, "nobody", "x", "--html", missing, capsys=capsys
    )
    assert not missing.parent.exists()


def test_rows_that_match_in_several_tiers_are_one_example(built: Store) -> None:
    pair = audited(built, "session1", "session3").pairs[0]
    assert [example.tiers for example in pair_examples(pair)] == [("row", "content", "prompt")] * 3
    near = pair_examples(with_near(audited(built, "session1", "session2")).pairs[0])
    assert (near[3].tiers, near[3].similarity) == (("prompt", "near"), 0.8125)


def test_a_page_shows_so_many_examples_and_says_where_there_are_more(built: Store) -> None:
    outcome = audited(built, "session1", "session2")
    many = type(outcome)(outcome.manifests, outcome.pairs * 40, outcome.tiers, outcome.threshold)
    shown = shown_examples(many)
    assert sum(map(len, shown)) == MOST_OF_A_PAGE
    assert max(map(len, shown)) == MOST_OF_A_PAIR
    page = page_of(built, many)
    assert page.count('<article class="case">') == MOST_OF_A_PAGE
    assert "None here: this page has as many examples as it may have." in page


def test_samples_have_the_place_the_keys_and_the_verified_text_of_their_rows(built: Store) -> None:
    outcome = audited(built, "session1", "session2")
    looked = look_up(built, outcome)
    assert looked.without_text == {}
    first, second = looked.samples[0, ("glaive", 1)], looked.samples[1, ("raiden", 1)]
    assert (first.place, first.trace, second.trace) == (1, HOSTILE, CHANGED)
    assert first.prompt == second.prompt
    assert first.content != second.content


def last_places(samples: Samples) -> list[int]:
    """The last place of a sample in the first manifest's order, and in the second's."""
    return [max(sample.place for (number, _), sample in samples.items() if number == n) for n in (0, 1)]


def test_no_more_of_a_dataset_is_read_than_the_examples_need(
    built: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = audited(built, "session1", "session2")
    whole = {manifest.id: list(built.dataset_blocks(manifest)) for manifest in outcome.manifests}
    read: list[int] = []

    def in_pieces(_: Store, manifest: Manifest) -> Iterator[pa.Table]:
        for block in whole[manifest.id]:
            for start in range(block.num_rows):
                read.append(start)
                yield block.slice(start, 1)

    monkeypatch.setattr(Store, "dataset_blocks", in_pieces)
    looked = look_up(built, outcome)
    assert len(read) == sum(last_places(looked.samples))
    assert last_places(looked.samples)[0] < outcome.manifests[0].identity.rows


def test_no_more_of_a_manifest_is_read_than_the_examples_need(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = audited(store, "session1", "session2")
    shutil.rmtree(store.root / "datasets")
    whole = {manifest.id: manifest.rows for manifest in outcome.manifests}
    read: list[int] = []

    def in_pieces(manifest: Manifest) -> Iterator[pa.Table]:
        for start in range(manifest.identity.rows):
            read.append(start)
            yield whole[manifest.id].slice(start, 1)

    monkeypatch.setattr(Manifest, "row_blocks", in_pieces)
    looked = look_up(store, outcome)
    assert len(read) == sum(last_places(looked.samples))


def test_a_dataset_that_is_not_here_is_said_and_the_keys_are_shown(store: Store) -> None:
    outcome = audited(store, "session1", "session2")
    shutil.rmtree(store.root / "datasets" / outcome.manifests[1].id)
    looked = look_up(store, outcome)
    assert looked.without_text == {1: ABSENT}
    page = page_of(store, outcome)
    assert f"{ABSENT}. The keys of its rows stand here instead" in page
    assert looked.samples[1, ("raiden", 1)].content.hex() in page
    assert "alert(1)" not in page


def test_a_damaged_dataset_hands_out_no_text(store: Store) -> None:
    outcome = audited(store, "session1", "session2")
    damage(store.root / "datasets" / outcome.manifests[1].id)
    looked = look_up(store, outcome)
    assert looked.without_text == {1: DAMAGED}
    assert looked.samples[1, ("raiden", 1)].trace is None
    assert looked.samples[0, ("glaive", 1)].trace == HOSTILE


def test_the_page_tells_the_command_that_repeats_it(built: Store) -> None:
    outcome = audited(built, "session1", "session2")
    ids = " ".join(manifest.id for manifest in outcome.manifests)
    plain = repeat_command(outcome).replace(" \\\n ", "")
    assert plain == f"manifests audit {ids} --tiers row,content --html audit.html"
    confirmed = repeat_command(replace(with_near(outcome), confirmed=True)).replace(" \\\n ", "")
    assert confirmed.endswith(" --tiers row,near --threshold 0.7 --verify-near --html audit.html")
    near = repeat_command(with_near(outcome)).replace(" \\\n ", "")
    assert near == f"manifests audit {ids} --tiers row,near --threshold 0.7 --html audit.html"
