"""What a token cache promises: what was put in, or nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.disk import sha256_file
from manifests.errors import StoreError
from training.batches.token_cache import (
    SCHEMA,
    TOKENS,
    TOKENS_PROOF,
    TokenCache,
    TokensKey,
    cached_tokens,
    read_cache,
    write_cache,
)

TRACES = [[5, 6, 7], [8, 9], [1, 2, 3, 4], [2_000_000_000, 0]]
KEY = TokensKey("ab" * 32, "cd" * 32, "gemma-think/1", len(TRACES))


def batches(traces: list[list[int]], at_once: int = 3) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(traces), at_once):
        part = traces[start : start + at_once]
        columns = [
            part,
            [1] * len(part),
            [len(trace) for trace in part],
            [number % 3 for number in range(len(part))],
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def told(cache: TokenCache | None) -> list[list[int]] | None:
    return (
        None if cache is None else [cache.tokens(sample + 1).tolist() for sample in range(len(cache.lengths))]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    write_cache(folder, KEY, batches(TRACES))
    return folder


def test_what_was_put_in_comes_out(folder: Path) -> None:
    cache, reason = read_cache(folder, KEY)
    assert cache is not None
    assert reason == ""
    assert told(cache) == TRACES
    assert cache.lengths.tolist() == [3, 2, 4, 2]
    assert cache.loss_starts.tolist() == [1] * 4
    assert cache.loss_ends.tolist() == [3, 2, 4, 2]
    assert cache.faults.tolist() == [0, 1, 2, 0]


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9), max_size=20), st.integers(1, 7))
def test_any_traces_come_out_of_a_cache_as_they_went_in(traces: list[list[int]], at_once: int) -> None:
    assert told(TokenCache(batches(traces, at_once))) == traces


def test_tokens_lie_in_the_file_and_are_not_copied(folder: Path) -> None:
    cache, _ = read_cache(folder, KEY)
    assert cache is not None
    assert not cache.tokens(1).flags.owndata
    assert not cache.tokens(1).flags.writeable


def test_a_second_reading_encodes_nothing(folder: Path) -> None:
    def never() -> Iterator[pa.RecordBatch]:
        raise AssertionError

    said: list[str] = []
    assert told(cached_tokens(folder, KEY, never, said.append)) == TRACES
    assert said == []


def test_where_nothing_is_it_is_encoded_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    assert told(cached_tokens(tmp_path / "a" / "b", KEY, lambda: batches(TRACES), said.append)) == TRACES
    assert said == []
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [TOKENS, TOKENS_PROOF]


@pytest.mark.parametrize(
    "change",
    [{"content_digest": ""}, {"tokenizer": ""}, {"template": "other/1"}, {"traces": 3}, {"encoder": "2"}],
)
def test_tokens_of_something_else_are_made_anew_with_a_line(folder: Path, change: dict[str, str]) -> None:
    said: list[str] = []
    other = replace(KEY, **change)  # type: ignore[arg-type]
    traces = TRACES[: other.traces]
    assert told(cached_tokens(folder, other, lambda: batches(traces), said.append)) == traces
    assert said == [f"{folder / TOKENS}: tokens of something else; tokenised anew"]
    assert other.digest != KEY.digest


def test_a_flipped_bit_anywhere_is_found_told_and_mended(folder: Path) -> None:
    """A bit of every byte of the proof; of the file those of its ends, and a hundred others."""
    draw = Random(1)
    whole = {name: (folder / name).read_bytes() for name in (TOKENS, TOKENS_PROOF)}
    bits = [(TOKENS_PROOF, 8 * place + draw.randrange(8)) for place in range(len(whole[TOKENS_PROOF]))]
    size = len(whole[TOKENS]) * 8
    bits += [(TOKENS, bit) for bit in (*range(16), *range(size - 16, size), *draw.sample(range(size), 100))]
    for name, bit in bits:
        changed = bytearray(whole[name])
        changed[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(changed)
        cache, reason = read_cache(folder, KEY)
        assert cache is None, (name, bit)
        assert reason
        (folder / name).write_bytes(whole[name])
    (folder / TOKENS).write_bytes(whole[TOKENS][:-1])
    said: list[str] = []
    assert told(cached_tokens(folder, KEY, lambda: batches(TRACES), said.append)) == TRACES
    assert len(said) == 1
    assert "SHA-256" in said[0]
    assert {name: (folder / name).read_bytes() for name in whole} == whole


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / TOKENS).unlink(),
        lambda folder: (folder / TOKENS_PROOF).write_bytes(b""),
        lambda folder: (folder / TOKENS_PROOF).write_bytes(b"[]"),
        lambda folder: (folder / TOKENS_PROOF).write_bytes(b"[" * 4096),
        lambda folder: (folder / TOKENS_PROOF).write_bytes(b"\xff" * 10_000),
    ],
)
def test_a_cache_that_lacks_a_part_is_made_anew(folder: Path, damage: Callable[[Path], object]) -> None:
    damage(folder)
    said: list[str] = []
    assert told(cached_tokens(folder, KEY, lambda: batches(TRACES), said.append)) == TRACES
    assert len(said) == 1


def prove(folder: Path) -> None:
    """Make what lies in the folder prove itself, as somebody else could."""
    proof = json.loads((folder / TOKENS_PROOF).read_bytes())
    proof["sha256"] = sha256_file(folder / TOKENS)[1]
    (folder / TOKENS_PROOF).write_text(json.dumps(proof))


def test_a_forged_file_that_proves_itself_is_refused_all_the_same(folder: Path) -> None:
    write_cache(folder, KEY, batches(TRACES[:2]))
    assert read_cache(folder, KEY) == (None, "can't be read (2 traces, expected 4)")
    (folder / TOKENS).write_bytes(b"no arrow at all")
    prove(folder)
    assert read_cache(folder, KEY)[0] is None
    with pa.OSFile(str(folder / TOKENS), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("a", pa.int8())])):
        pass
    prove(folder)
    assert read_cache(folder, KEY) == (None, "can't be read (other columns)")


def test_offsets_that_point_out_of_the_file_are_refused(folder: Path) -> None:
    offsets = np.array([0, 3, 5, 9], dtype="<i4")
    data = (folder / TOKENS).read_bytes()
    assert data.count(offsets.tobytes()) == 1
    forged = np.array([0, 3, 5, 1_000_000], dtype="<i4")
    (folder / TOKENS).write_bytes(data.replace(offsets.tobytes(), forged.tobytes()))
    prove(folder)
    assert read_cache(folder, KEY)[0] is None


def test_a_null_is_refused(folder: Path) -> None:
    nothing = pa.array([None] * 4, SCHEMA.field("tokens").type)
    numbers = [pa.array([1] * 4, field.type) for field in list(SCHEMA)[1:]]
    write_cache(folder, KEY, [pa.RecordBatch.from_arrays([nothing, *numbers], schema=SCHEMA)])
    assert read_cache(folder, KEY) == (None, "can't be read (a null where none may be)")


def test_a_failure_while_encoding_leaves_what_was_there(folder: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(TRACES[:2])
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        write_cache(folder, KEY, failing())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        cached_tokens(tmp_path / "file" / "cache", KEY, lambda: batches(TRACES), lambda _line: None)
