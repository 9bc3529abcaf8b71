import json
from pathlib import Path

from manifests.keys import Trace, content_key, prompt_key
from tests.curation.helpers import (
    build_mix,
    build_watched,
    ledger_of,
    numbers_of,
    reasons_of,
    rejects_of,
    rows_of,
    source,
    texts_of,
    traces,
    write_traces,
)

ENGLISH = (
    "The train leaves the station at nine and arrives before the rain begins, so we should be there early."
)
GERMAN = (
    "Der Zug verlässt den Bahnhof um neun und kommt an, bevor der Regen beginnt, also gehen wir früh los."
)


def sentences(text: str, *numbers: int) -> list[Trace]:
    return [Trace(f"{text} ({number})", text, text) for number in numbers]


def test_a_manifest_holds_the_text_and_the_keys_of_its_rows(tmp_path: Path) -> None:
    written = [*traces(3), Trace("Ä\n\n B", "é\U0001f600", "x")]
    write_traces(tmp_path / "one.jsonl", written)
    built = build_mix(tmp_path, source("one"))
    assert texts_of(built, tmp_path / "store") == written
    assert built.manifest.rows.to_pylist() == [
        {
            "source": "one",
            "row": row,
            "content": content_key(trace),
            "prompt": prompt_key(trace.prompt),
            "chars": len(trace.prompt) + len(trace.reasoning) + len(trace.answer),
        }
        for row, trace in enumerate(written, 1)
    ]


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    digests = set()
    for suffix in (".parquet", ".jsonl", ".json", ".csv", ".tsv"):
        write_traces(tmp_path / f"a{suffix}", traces(9))
        digests.add(build_mix(tmp_path, source("one", f"a{suffix}", rows=[2, 8])).manifest.content_digest)
    assert len(digests) == 1


def test_every_fault_of_a_row_stands_in_ledger_and_rejects_with_its_reason(tmp_path: Path) -> None:
    rows = {
        b'{"p": "a", "r": "<think>b</think><answer>c</answer>"}': None,
        b'{"p": null, "r": "x"}': "null",
        b'{"p": "a", "r": 5}': "not-text",
        b'{"p": "\xff", "r": "x"}': "invalid-utf8",
        b'{"p": "\\ud800", "r": "x"}': "lone-surrogate",
        b'{"p": " ", "r": "x"}': "no-prompt",
        b'{"p": "a", "r": "<answer>c</answer>"}': "no-reasoning",
        b'{"p": "a", "r": "<think>b</think>"}': "no-answer",
        b'{"p": "a", "r": "b</think><answer>c</answer>"}': "tag-unopened",
        b'{"p": "a", "r": "<think>b<answer>c</answer>"}': "tag-unclosed",
        b'{"p": "a", "r": "<think>b</think><think><answer>c</answer>"}': "tag-repeated",
        b'{"p": "a", "r": "x<think>b</think><answer>c</answer>"}': "text-before-reasoning",
        b'{"p": "a", "r": "<think>b</think>x<answer>c</answer>"}': "text-before-answer",
        b'{"p": "a", "r": "<think>b</think><answer>c</answer>x"}': "text-after-answer",
    }
    (tmp_path / "one.jsonl").write_bytes(b"\n".join(rows))
    (tmp_path / "two.csv").write_bytes(b"p,r\na,b\na\na,b,c\n")
    tags = {"reasoning": ["<think>", "</think>"], "answer": ["<answer>", "</answer>"]}
    columns = {"prompt": "p", "response": "r"}
    manifest = build_mix(
        tmp_path,
        source("one", columns=columns, tags=tags, max_drop=1),
        source("two", "two.csv", columns=columns, max_drop=1),
    ).manifest
    faults = [("one", row, reason) for row, reason in enumerate(rows.values(), 1) if reason]
    faults += [("two", 1, "no-reasoning"), ("two", 2, "too-few-fields"), ("two", 3, "too-many-fields")]
    assert rejects_of(manifest) == [
        (name, row, "parse", reason, "", "", "", 0) for name, row, reason in faults
    ]
    assert ledger_of(manifest)["one"][1] == (
        "parse",
        14,
        1,
        {reason: 1 for reason in rows.values() if reason},
    )
    assert ledger_of(manifest)["two"][1] == (
        "parse",
        3,
        0,
        {"no-reasoning": 1, "too-few-fields": 1, "too-many-fields": 1},
    )


def test_a_reject_leaves_at_the_first_stage_that_drops_it_and_every_stage_hands_on_what_it_left(
    tmp_path: Path,
) -> None:
    earlier, first = sentences(ENGLISH, 1, 2), sentences(ENGLISH, 3, 4)
    write_traces(tmp_path / "earlier.jsonl", earlier)
    write_traces(tmp_path / "first.jsonl", first)
    rows = [
        *sentences(ENGLISH, 5, 6, 7, 8),  # rows 1 to 4: stay
        Trace("", ENGLISH, ENGLISH),  # row 5: no prompt
        *sentences(GERMAN, 1, 1),  # rows 6 and 7: another language, though equal
        *sentences(ENGLISH, 5),  # row 8: as row 1
        *sentences(ENGLISH, 3),  # row 9: as first:1
        *sentences(ENGLISH, 2),  # row 10: as earlier:2
        *sentences(ENGLISH, 1, 1),  # rows 11 and 12: as earlier:1, and as each other
        Trace("1 + 1", "2", "2"),  # row 13: no language
    ]
    write_traces(tmp_path / "one.jsonl", rows)
    parent = build_mix(tmp_path, source("earlier"), name="earlier").manifest
    manifest = build_mix(
        tmp_path,
        source("first"),
        source("one", language="en", take={"first": 3}),
        disjoint={"from": ["earlier"]},
    ).manifest
    assert rejects_of(manifest) == [
        ("one", 5, "parse", "no-prompt", "", "", "", 0),
        ("one", 6, "language", "other-language", "de", "", "", 0),
        ("one", 7, "language", "other-language", "de", "", "", 0),
        ("one", 8, "duplicates", "same-content", "", "", "one", 1),
        ("one", 9, "across", "same-content", "", "", "first", 1),
        ("one", 10, "disjoint", "same-content", "", parent.id, "earlier", 2),
        ("one", 11, "disjoint", "same-content", "", parent.id, "earlier", 1),
        ("one", 12, "duplicates", "same-content", "", "", "one", 11),
        ("one", 13, "language", "no-language", "", "", "", 0),
    ]
    assert ledger_of(manifest) == {
        "first": [
            ("rows", 2, 2, {}),
            ("parse", 2, 2, {}),
            ("duplicates", 2, 2, {}),
            ("across", 2, 2, {}),
            ("disjoint", 2, 2, {}),
            ("take", 2, 2, {}),
        ],
        "one": [
            ("rows", 13, 13, {}),
            ("parse", 13, 12, {"no-prompt": 1}),
            ("language", 12, 9, {"other-language": 2, "no-language": 1}),
            ("duplicates", 9, 7, {"same-content": 2}),
            ("across", 7, 6, {"same-content": 1}),
            ("disjoint", 6, 4, {"same-content": 2}),
            ("take", 4, 3, {"not-taken": 1}),
        ],
    }
    assert rows_of(manifest) == [("first", 1), ("first", 2), ("one", 1), ("one", 2), ("one", 3)]
    assert set(manifest.identity.detectors) == {"one"}
    assert manifest.identity.detectors["one"].algorithm == "langdetect/1"


def test_a_source_that_keeps_its_duplicates_passes_no_stage_that_seeks_them(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(2) * 2)
    write_traces(tmp_path / "two.jsonl", traces(3))
    manifest = build_mix(tmp_path, source("one", duplicates="keep"), source("two", max_drop=1)).manifest
    assert numbers_of(manifest) == [1, 2, 3, 4, 3]
    assert [stage for stage, *_ in ledger_of(manifest)["one"]] == ["rows", "parse", "take"]
    assert reasons_of(manifest) == {1: ("across", "same-content"), 2: ("across", "same-content")}


def test_only_the_files_of_the_range_are_opened_and_recorded(tmp_path: Path) -> None:
    write_traces(tmp_path / "data" / "a.jsonl", traces(4))
    write_traces(tmp_path / "data" / "b.jsonl", traces(4, first=5))
    (tmp_path / "data" / "c.parquet").write_bytes(b"garbage")
    for draw in ("filtered", "raw"):
        for kind in ("first", "hash"):
            entry = source("one", "data/*", rows=[5, 8], draw=draw, take={kind: 4})
            manifest = build_mix(tmp_path, entry).manifest
            (record,) = manifest.identity.sources
            assert record.before == (("a.jsonl", 4),)
            assert [(file.path, file.first_row, file.last_row) for file in record.files] == [
                ("b.jsonl", 5, 8)
            ]
            assert sorted(numbers_of(manifest)) == [5, 6, 7, 8]


def test_a_mix_of_which_nothing_is_left_is_a_manifest_of_no_rows(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", [Trace("", "", "")] * 3)
    for draw in ("filtered", "raw"):
        built = build_mix(tmp_path, source("one", max_drop=1, draw=draw), order="mixed")
        assert (built.manifest.identity.rows, built.manifest.identity.rejects) == (0, 3)
        assert texts_of(built, tmp_path / "store") == []


def test_a_mix_of_several_blocks_is_read_back_in_order(tmp_path: Path) -> None:
    written = traces(20_000)
    write_traces(tmp_path / "one.jsonl", written)
    built = build_mix(tmp_path, source("one", take={"shuffle": 17_000}), order="mixed")
    assert texts_of(built, tmp_path / "store") == [written[row - 1] for row in numbers_of(built.manifest)]


def test_a_build_is_the_next_version_of_its_name_unless_the_newest_is_the_same(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))

    def version(**keys: object) -> tuple[str, int]:
        built = build_mix(tmp_path, source("one", **keys)).version
        return built.name, built.number

    assert version() == ("mix", 1)
    assert version() == ("mix", 1)
    assert version(rows=[1, 4]) == ("mix", 2)
    assert version() == ("mix", 3)


def test_every_row_that_is_read_is_told_to_progress(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(3))
    write_traces(tmp_path / "two.jsonl", traces(2, first=9))
    told: list[tuple[str, int]] = []
    build_watched(tmp_path, [source("one"), source("two")], lambda what, rows: told.append((what, rows)))
    assert told == [("one: reading", 3), ("two: reading", 2)]


def test_a_build_remembers_where_its_sources_were_beside_the_manifest_and_not_in_it(tmp_path: Path) -> None:
    write_traces(tmp_path / "data" / "one.jsonl", traces(3))
    built = build_mix(tmp_path, source("one", "data/*"))
    hints = json.loads((tmp_path / "store" / "local" / f"{built.manifest.id}.json").read_bytes())
    assert hints == {"one": str(tmp_path / "data")}
    for path in built.manifest.folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
