import json
import random
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.near import search as near_module
from curation.near.search import (
    NOTED_ROWS,
    NearResult,
    are_near,
    band_keys,
    find_near,
    shingles,
)
from curation.recipe import Near, Tags
from curation.traces import parse
from manifests.identity import NEAR
from manifests.keys import Trace
from manifests.similarity import minhash
from tests.curation.demo_reader import read_traces
from tests.curation.helpers import ROOT, run_python
from tests.curation.plain_near import NOTED, plain_band_keys, plain_find_near, plain_jaccard, plain_shingles

PROMPT = Near(on=("prompt",))

WORD = st.sampled_from(["a", "B", "two", "Drei", "é", "seventeen-letters-"])
FIELD = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
TRACE = st.builds(Trace, FIELD, FIELD, FIELD)
NEARS = st.builds(
    Near,
    threshold=st.sampled_from([Decimal(text) for text in ("0.2", "0.5", "0.75", "0.8", "1")]),
    words=st.integers(1, 3),
    bands=st.integers(1, 4),
    rows=st.integers(1, 2),
    on=st.sampled_from([("prompt",), ("answer", "prompt"), ("prompt", "reasoning", "answer")]),
)

PROBE = """
from curation.near.search import band_keys, find_near
from curation.recipe import Near
from tests.curation.test_near import wordy
traces = wordy(300, 3)
near = Near(words=2, bands=8, rows=2)
print(find_near(band_keys(traces, near), near, lambda places: [traces[place] for place in places]).pairs.tolist())
"""


def search(traces: Sequence[Trace], near: Near, **bounds: int) -> NearResult:
    keys = band_keys(traces, near)
    return find_near(keys, near, lambda places: [traces[place] for place in places], **bounds)


def wordy(count: int, seed: int) -> list[Trace]:
    """Traces of few words, some of which occur in most of them."""
    draw = random.Random(seed)
    words = [f"w{int(draw.expovariate(0.12))}" for _ in range(4000)]
    return [Trace(" ".join(draw.sample(words, 8)), "because", "so") for _ in range(count)]


def prompts(*texts: str) -> list[Trace]:
    return [Trace(text, "-", "-") for text in texts]


def numbered(first: int, count: int = 100) -> str:
    return " ".join(str(number) for number in range(first, first + count))


def test_the_algorithm_and_its_bound_are_these() -> None:
    assert (NEAR, NOTED_ROWS) == ("near/minhash-lsh/1", NOTED)


@given(traces=st.lists(TRACE, max_size=12), near=NEARS, cuts=st.lists(st.integers(0, 12)))
def test_band_keys_do_not_depend_on_how_traces_are_batched(
    traces: list[Trace], near: Near, cuts: list[int]
) -> None:
    bounds = [0, *sorted(min(cut, len(traces)) for cut in cuts), len(traces)]
    parts = [band_keys(traces[first:last], near) for first, last in pairwise(bounds)]
    whole = band_keys(traces, near)
    assert whole.shape == (len(traces), near.bands)
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert whole.tolist() == [plain_band_keys(trace, near) for trace in traces]


def test_large_batches_are_worked_on_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = wordy(50, 1)
    expected = band_keys(traces, Near()).tolist(), search(traces, Near()).pairs.tolist()
    monkeypatch.setattr(minhash, "_PORTION_BYTES", 100)
    assert [len(portion) for portion in minhash.portions([bytes(60)] * 5)] == [2, 2, 1]
    assert (band_keys(traces, Near()).tolist(), search(traces, Near()).pairs.tolist()) == expected


@given(trace=TRACE, near=NEARS)
def test_the_shingles_are_a_sorted_set(trace: Trace, near: Near) -> None:
    found = shingles(trace, near)
    assert found.dtype == np.uint64
    assert found.tolist() == sorted(set(plain_shingles(trace, near)))


@given(one=TRACE, other=TRACE, near=NEARS)
def test_two_traces_are_near_if_their_jaccard_index_is_at_least_the_threshold(
    one: Trace, other: Trace, near: Near
) -> None:
    found = are_near(shingles(one, near), shingles(other, near), near)
    assert found == (plain_jaccard(one, other, near) >= near.threshold)


def test_the_threshold_is_not_rounded() -> None:
    one, other = (np.array(values, dtype=np.uint64) for values in ([1, 2, 3, 4], [1, 2, 3, 4, 5]))
    assert are_near(one, other, Near(Decimal("0.8")))
    assert not are_near(one, other, Near(Decimal("0.8000000000000000000000000000001")))


@given(traces=st.lists(TRACE, max_size=16), near=NEARS, shingle_bytes=st.sampled_from([0, 600, 1 << 20]))
def test_what_is_found_is_what_the_plain_definition_finds(
    traces: list[Trace], near: Near, shingle_bytes: int
) -> None:
    found, plain = search(traces, near, shingle_bytes=shingle_bytes), plain_find_near(traces, near)
    assert [tuple(pair) for pair in found.pairs.tolist()] == plain.pairs
    assert (found.candidates, found.verified, found.skipped) == (
        plain.candidates,
        plain.verified,
        plain.skipped,
    )


@pytest.mark.parametrize("shingle_bytes", [0, 5_000, 1 << 20])
def test_the_same_holds_where_more_rows_share_a_key_than_it_notes(shingle_bytes: int) -> None:
    traces, near = wordy(300, 2), Near(Decimal("0.6"), words=1, bands=4, rows=1)
    found, plain = search(traces, near, shingle_bytes=shingle_bytes), plain_find_near(traces, near)
    assert plain.skipped > 1000
    assert plain.pairs
    assert [tuple(pair) for pair in found.pairs.tolist()] == plain.pairs
    assert (found.candidates, found.verified, found.skipped) == (
        plain.candidates,
        plain.verified,
        plain.skipped,
    )


def test_a_key_notes_sixteen_kept_rows_and_what_it_skips_is_counted() -> None:
    # "top" has the least value of these words, so it alone makes the one key that all rows share.
    near = Near(Decimal("0.5"), words=1, bands=1, rows=1, on=("prompt",))
    candidates = [f"c{number}" for number in range(200)]
    top = min(candidates, key=lambda word: plain_minimum(word, near))
    others = [word for word in candidates if word != top]
    traces = prompts(*(f"{top} {' '.join(others[4 * row : 4 * row + 4])}" for row in range(20)))
    found = search([*traces, traces[15], traces[16]], near)
    assert found.pairs.tolist() == [[20, 15]]
    # Of the rows 17, 18, 19 and 21 (counted from 0), which are kept: 1, 2, 3 and 4 kept rows before are not noted.
    assert found.skipped == 1 + 2 + 3 + 4


def plain_minimum(word: str, near: Near) -> int:
    (shingle,) = plain_shingles(Trace(word, "-", "-"), near)
    return (shingle >> 32) * 0x7B1DCDAF & 0xFFFFFFFF


def test_identical_rows_cost_one_comparison_each() -> None:
    found = search(prompts(*[numbered(1)] * 2000), PROMPT)
    assert found.pairs.tolist() == [[row, 0] for row in range(1, 2000)]
    assert (found.verified, found.skipped) == (1999, 0)


def test_of_a_chain_the_row_that_is_near_to_a_dropped_row_alone_stays() -> None:
    first, second, third = numbered(1), numbered(8), numbered(15)
    one, near_to_one, far_from_one = prompts(first, second, third)
    assert (
        plain_jaccard(one, far_from_one, PROMPT) < PROMPT.threshold < plain_jaccard(one, near_to_one, PROMPT)
    )
    assert search(prompts(first, second, third), PROMPT).pairs.tolist() == [[1, 0]]
    assert search(prompts(second, first, third), PROMPT).pairs.tolist() == [[1, 0], [2, 0]]
    assert search(prompts(first, third, second), PROMPT).pairs.tolist() == [[2, 0]]


def test_the_lowest_near_row_is_named_also_if_a_later_one_is_nearer() -> None:
    first, second, between = numbered(1), numbered(15), numbered(9)
    assert search(prompts(first, second, between, second), PROMPT).pairs.tolist() == [[2, 0], [3, 1]]


def test_only_the_fields_asked_for_count() -> None:
    traces = [Trace(numbered(1), numbered(500), "x"), Trace(numbered(1), numbered(900), "x")]
    assert search(traces, PROMPT).pairs.tolist() == [[1, 0]]
    assert not len(search(traces, Near()).pairs)
    assert not len(search(traces, Near(on=("reasoning",))).pairs)


def test_nothing_is_read_of_rows_that_share_no_key() -> None:
    def read(_: Sequence[int]) -> Iterable[Trace]:
        raise AssertionError

    traces = prompts(*(numbered(1000 * row) for row in range(50)))
    assert find_near(band_keys(traces, PROMPT), PROMPT, read).pairs.shape == (0, 2)
    assert find_near(band_keys([], PROMPT), PROMPT, read).pairs.shape == (0, 2)


def test_rows_are_read_forward_in_bounded_calls_and_again_only_if_memory_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(near_module, "READ_PLACES", 7)
    traces, near = wordy(100, 4), Near(words=1, bands=4, rows=1)
    calls: list[list[int]] = []

    def read(places: Sequence[int]) -> Iterator[Trace]:
        calls.append(list(places))
        return (traces[place] for place in places)

    def sweeps(shingle_bytes: int) -> int:
        calls.clear()
        find_near(band_keys(traces, near), near, read, shingle_bytes=shingle_bytes)
        assert all(0 < len(call) <= 7 for call in calls)
        joined = [place for call in calls for place in call]
        return 1 + sum(later <= earlier for earlier, later in pairwise(joined))

    one_set = shingles(traces[0], near).nbytes + near_module._SET_OVERHEAD
    assert sweeps(1 << 20) == 1
    assert 4 <= sweeps(20 * one_set) <= 6
    assert 50 < sweeps(0) <= 100


def test_the_same_is_found_whatever_the_hash_seed() -> None:
    outputs = {run_python("-c", PROBE, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    assert outputs == {f"{search(wordy(300, 3), Near(words=2, bands=8, rows=2)).pairs.tolist()}\n"}


def test_of_prompts_alike_and_reasoning_that_differs_nothing_is_dropped(shared_data: Path) -> None:
    table = pq.read_table(
        shared_data / "game24-r1/data/24game_sft/train.parquet", columns=["prompt", "completion"]
    )
    tags = Tags(("<think>", "</think>"), ("<answer>", "</answer>"))
    parsed = [parse(tuple(row.values()), tags) for row in table.to_pylist()]
    traces = [trace for trace in parsed if isinstance(trace, Trace)]
    assert len(traces) == 1638
    assert search(traces, Near()).pairs.tolist() == []
    assert len(search(traces, PROMPT).pairs) == 1637


def test_planted_near_duplicates_are_found_down_to_the_threshold_and_nothing_else_is() -> None:
    folder = ROOT / "curation/demo/files"
    rows = read_traces(folder)
    planted = json.loads((folder / "truth.json").read_bytes())["near_duplicates"]
    found, expected = set(), set()
    for source in ("raiden", "openo1", "cot", "glaive"):
        numbers = [number for name, number in rows if name == source]
        first_with = {rows[source, number]: number for number in reversed(numbers)}
        numbers = sorted(first_with.values())
        traces = [Trace(*rows[source, number]) for number in numbers]
        pairs = search(traces, Near()).pairs.tolist()
        found |= {(source, numbers[dropped], numbers[kept]) for dropped, kept in pairs}
    for one in planted:
        pair = [Trace(*rows[one["source"], one[key]]) for key in ("row", "near_of_row")]
        if plain_jaccard(pair[0], pair[1], Near()) >= Near().threshold:
            expected.add((one["source"], one["row"], one["near_of_row"]))
    assert (len(planted), len(expected)) == (12, 10)
    assert found == expected
