"""Each contest compares results: what is the same is called so, what is not is seen."""

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.bench.contest import Answer, Match, Place, Sizes
from benchmarks.bench.contests import audit, duplicates, language, mix, near, reservoir, rows, training

TEXTS = {"prompt": ["a", "b", "c", "d"], "reasoning": ["r"] * 4, "answer": ["x"] * 4}


def answer(folder: Path, name: str, **told: object) -> Answer:
    out = folder / name
    out.mkdir()
    return Answer(told, out)


def built(folder: Path, numbers: list[int], texts: pl.DataFrame | None = None) -> Answer:
    """A store as a build leaves it, as far as the contests read it."""
    ours = answer(folder, "ours")
    manifest, data = ours.out / "store/manifests/1", ours.out / "store/datasets/1/data"
    manifest.mkdir(parents=True)
    data.mkdir(parents=True)
    pl.DataFrame({"row": numbers}, schema={"row": pl.UInt64}).write_parquet(manifest / "rows.parquet")
    pl.DataFrame({"row": []}).write_parquet(manifest / "rejects.parquet")
    frame = pl.DataFrame(TEXTS).head(len(numbers)) if texts is None else texts
    frame.write_parquet(data / "train-00000-of-00001.parquet")
    return ours


def left(folder: Path, name: str, *numbers: int) -> Answer:
    rival = answer(folder, name)
    (rival.out / "rows/deeper").mkdir(parents=True)
    pl.DataFrame({"row": numbers}).write_parquet(rival.out / "rows/deeper/0.parquet")
    return rival


def test_duplicates_what_is_left_must_be_what_the_rule_leaves_and_be_told_from_ours(tmp_path: Path) -> None:
    texts = {"prompt": ["a", "b", "a", "c", " b", "d"], "reasoning": ["r"] * 6, "answer": ["x"] * 6}
    (tmp_path / "files").mkdir()
    pl.DataFrame({"row": range(1, 7), **texts}).write_parquet(tmp_path / "files/0.parquet")
    ours = built(tmp_path, [1, 2, 5, 6], pl.DataFrame(texts))
    (rejects,) = ours.out.glob("store/manifests/*/rejects.parquet")
    rows = {"row": [3, 4], "reason": ["same-content", "tag-in-text"]}
    pl.DataFrame(rows, schema={"row": pl.UInt64, "reason": pl.String}).write_parquet(rejects)
    answers = {
        duplicates.OURS: ours,
        "same": left(tmp_path, "same", 5, 6, 1, 2),
        "by the rule": left(tmp_path, "rule", 1, 2, 4, 5, 6),
        "other survivor": left(tmp_path, "other", 2, 3, 4, 5, 6),
        "one twice": left(tmp_path, "twice", 1, 2, 4, 5, 6, 6),
        "one lost": left(tmp_path, "lost", 1, 2, 4, 6),
        duplicates.STRIPPING: left(tmp_path, "stripping", 1, 2, 4, 6),
    }
    verdicts = duplicates.check(answers, tmp_path / "files")
    assert {name: verdict.text for name, verdict in verdicts.items() if verdict.sound} == {
        duplicates.OURS: "4 rows left",
        "same": "the same rows left",
        "by the rule": "5 rows left, with 1 that we reject (1 tag-in-text)",
        duplicates.STRIPPING: "4 rows left, with 1 that we reject (1 tag-in-text); 1 more dropped, equal to another "
        "but for spaces at the ends",
    }
    assert verdicts["other survivor"].text == "5 rows left, 3 of them ours"
    assert not duplicates.check({**answers, "by the rule": left(tmp_path, "x", 3)}, tmp_path / "files")[
        "by the rule"
    ].sound


def test_reservoir_the_script_must_draw_what_we_draw_and_others_so_many_rows_of_the_file() -> None:
    ours = [3, 1]
    assert reservoir._verdict(reservoir.OURS, ours, 2, 9, ours).sound
    assert reservoir._verdict(reservoir.SCRIPT, [3, 1], 2, 9, ours).sound
    assert not reservoir._verdict(reservoir.SCRIPT, [1, 3], 2, 9, ours).sound
    assert reservoir._verdict("DuckDB", [4, 9], 2, 9, ours).sound
    assert not reservoir._verdict("DuckDB", [4, 4], 2, 9, ours).sound
    assert not reservoir._verdict("DuckDB", [4, 10], 2, 9, ours).sound
    assert not reservoir._verdict("DuckDB", [4], 2, 9, ours).sound


def test_rows_those_that_we_took_must_stand_where_we_took_them(tmp_path: Path) -> None:
    ours = built(tmp_path, [11, 13], pl.DataFrame({"prompt": ["a", "c"]}))
    assert rows._built(ours, 2).sound
    assert not rows._built(ours, 3).sound
    for name, prompts, sound in (
        ("same", [" a\n", "?", "c"], True),
        ("moved", ["?", "a", "c"], False),
        ("null", ["a", "?", None], False),
        ("short", ["a", "?"], False),
        ("long", ["a", "?", "c", "d"], False),
    ):
        rival = answer(tmp_path, name)
        pl.DataFrame({"prompt": prompts}).write_parquet(rival.out / "rows.parquet")
        assert rows._selected(rival, ours, 11, 13).sound == sound, name


def test_language_langdetects_verdicts_must_be_ours_and_others_are_counted(tmp_path: Path) -> None:
    verdicts = {
        language.OURS: [True, False, True],
        language.LANGDETECT: [True, False],
        "another": [False, False, True],
    }
    answers = {name: answer(tmp_path, str(number)) for number, name in enumerate(verdicts)}
    answers[language.OURS] = Answer({"slow because": None}, answers[language.OURS].out)
    for name, english in verdicts.items():
        (answers[name].out / "english.json").write_text(json.dumps(english))
    found = language._check(answers)
    assert found[language.LANGDETECT].sound
    assert found["another"].text == "1 of 3 verdicts differ: another model"
    (answers[language.LANGDETECT].out / "english.json").write_text("[true, true]")
    assert not language._check(answers)[language.LANGDETECT].sound


def test_near_who_drops_nothing_where_we_drop_something_is_seen(tmp_path: Path) -> None:
    dropped = {near.OURS: [4, 7], "more": [2, 4, 7], "nothing": []}
    answers = {name: answer(tmp_path, str(number)) for number, name in enumerate(dropped)}
    answers[near.OURS] = Answer({"candidates": 5, "verified": 3}, answers[near.OURS].out)
    for name, places in dropped.items():
        (answers[name].out / "dropped.json").write_text(json.dumps(places))
    verdicts = near._check(answers)
    assert [verdicts[name].sound for name in dropped] == [True, True, False]
    assert verdicts["more"].text.startswith("3 dropped, of our 2 2;")


def test_audit_the_counts_must_be_those_that_were_put_there(tmp_path: Path) -> None:
    sources, shared = tmp_path / "sources", tmp_path / "shared"
    place = Place(sources, tmp_path / "own", shared, Sizes(one_in=5_000))
    match: Match = audit.prepare(place)
    right = {"same_content": 1_000, "same_prompt": 1_000, "same_row": 0}
    wrong = {"content": 999, "prompt": 1_000, "row": 0}
    verdicts = match.check(
        {audit.OURS: answer(tmp_path, "ours", **right), "DuckDB": answer(tmp_path, "duckdb", **wrong)}
    )
    assert verdicts[audit.OURS].sound
    assert not verdicts["DuckDB"].sound


def test_mix_the_scripts_must_take_the_rows_of_a_build_of_their_share(tmp_path: Path) -> None:
    share = pl.DataFrame(TEXTS)
    digests = [mix.digest_of(row) for row in share.iter_rows()]
    scripts = answer(tmp_path, "scripts")
    (scripts.out / "rows.txt").write_text("\n".join(digests) + "\n")
    assert mix._verdicts({mix.SCRIPTS: scripts}, share)[mix.SCRIPTS].sound
    (scripts.out / "rows.txt").write_text("\n".join(digests[1:]) + "\n")
    verdict = mix._verdicts({mix.SCRIPTS: scripts}, share)[mix.SCRIPTS]
    assert (verdict.sound, verdict.text) == (False, "3 rows, a build of its share has 4, both have 3")


@pytest.mark.parametrize(
    ("losses", "sound"), [([8.81, 7.0], True), ([8.81, 8.9], False), ([7.0, 5.0], False)]
)
def test_training_begins_at_our_loss_and_falls(losses: list[float], sound: bool, tmp_path: Path) -> None:  # noqa: FBT001
    ours = answer(tmp_path, "ours", first_loss=8.80, last_loss=6.0)
    rival = answer(tmp_path, "rival", losses=losses)
    assert training._check({training.OURS: ours, training.TRL: rival})[training.TRL].sound == sound
