"""Sources of any size, written as fast as the disk takes them, with faults whose number is known beforehand.

A trace is told by its number: a prompt and an answer that name it, and words picked from 4,096 by its hash. Equal
numbers are equal traces. By the last digits of a row's place in its source some rows are no traces, some repeat an
earlier row of the source, some stand in another source too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]

PERIOD = 200
UNCLOSED = (17, 67, 117, 167)  # rows whose tag is not closed
REPEATED = (33, 73, 113, 153, 193)  # rows that repeat the one nine rows before
ACROSS = 150  # rows of the drawn sources that stand in the first source too
SHARED_PERIOD, SHARED = 1_000, 500  # rows of session 2 that stand in the first source of session 1
BACK = 9

FILE_ROWS, GROUP_ROWS = 25_000, 5_000  # of parquet: many files, several row groups in each
REASONING_WORDS = 20

_WORDS, _LETTERS, _DIGITS = 4_096, 7, 14
_CHUNK = 1 << 15
_OWN = 10**12  # sources don't share numbers but where they are meant to


@dataclass(frozen=True)
class Source:
    """A source: its name, its rows, the place of its own numbers, and the period of rows that the first one has too."""

    name: str
    rows: int
    place: int
    shared_period: int = 0
    shared_at: int = 0
    first_rows: int = 0
    words: int = REASONING_WORDS

    @property
    def unclosed(self) -> int:
        """How many rows are no traces."""
        return sum(_among(self.rows, PERIOD, residue) for residue in UNCLOSED)

    @property
    def repeated(self) -> int:
        """How many rows repeat an earlier one."""
        return sum(_among(self.rows, PERIOD, residue) for residue in REPEATED)

    @property
    def shared(self) -> int:
        """How many rows the first source has too."""
        if not self.shared_period:
            return 0
        return _among(min(self.rows, self.first_rows), self.shared_period, self.shared_at)

    def numbers(self, begin: int, end: int) -> Numbers:
        """The numbers of the traces at some places."""
        places = np.arange(begin, end, dtype=np.uint64)
        places[np.isin(places % np.uint64(PERIOD), REPEATED)] -= np.uint64(BACK)
        numbers = places + np.uint64(_OWN * self.place)
        if self.shared_period:
            of_first = (places % np.uint64(self.shared_period) == self.shared_at) & (places < self.first_rows)
            numbers[of_first] = places[of_first]
        return numbers


def sources_of(rows: int, words: int = REASONING_WORDS) -> dict[str, Source]:
    """The sources of two sessions: of session 1 so many rows in three of them, of session 2 a fifth of that."""
    whole = rows * 60 // 100
    return {
        source.name: source
        for source in (
            Source("whole", whole, 0, words=words),
            Source("lines", rows * 25 // 100, 1, PERIOD, ACROSS, whole, words),
            Source("hashed", rows - whole - rows * 25 // 100, 2, PERIOD, ACROSS, whole, words),
            Source("fresh", rows // 5, 3, SHARED_PERIOD, SHARED, whole, words),
        )
    }


def write_sources(folder: Path, sources: dict[str, Source]) -> int:
    """Write sources below a folder, `lines` as JSONL and the others as parquet; the bytes of all files."""
    for source in sources.values():
        (folder / source.name).mkdir(parents=True)
        write = _write_lines if source.name == "lines" else _write_parquet
        write(folder / source.name, source)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def text_bytes(words: int = REASONING_WORDS) -> int:
    """The bytes of prompt, reasoning and answer of a trace."""
    return sum(part.shape[1] for part in _texts(np.zeros(1, np.uint64), words))


def _write_parquet(folder: Path, source: Source) -> None:
    for begin in range(0, source.rows, FILE_ROWS):
        end = min(begin + FILE_ROWS, source.rows)
        prompt, response = _columns(source, begin, end)
        table = pa.table({"prompt": _strings(prompt), "response": _strings(response)})
        pq.write_table(table, folder / f"part-{begin // FILE_ROWS:05}.parquet", row_group_size=GROUP_ROWS)


def _write_lines(folder: Path, source: Source) -> None:
    with (folder / "lines.jsonl").open("wb") as file:
        for begin, end in _chunks(source.rows):
            prompt, response = _columns(source, begin, end)
            parts = (b'{"prompt": "', prompt, b'", "response": "', response, b'"}\n')
            file.write(_beside(end - begin, *parts).tobytes())


def _chunks(rows: int) -> Iterator[tuple[int, int]]:
    return ((begin, min(begin + _CHUNK, rows)) for begin in range(0, rows, _CHUNK))


def _columns(source: Source, begin: int, end: int) -> tuple[Bytes, Bytes]:
    """Prompt and response, all rows of the same length: shape (rows, bytes)."""
    numbers = source.numbers(begin, end)
    prompt, reasoning, answer = _texts(numbers, source.words)
    response = _beside(len(numbers), b"<think>", reasoning, b"</think>", answer)
    closing = len(b"<think>") + reasoning.shape[1]
    unclosed = np.isin(np.arange(begin, end) % PERIOD, UNCLOSED)
    response[unclosed, closing + 1] = ord("|")
    return prompt, response


def _texts(numbers: Numbers, words: int) -> tuple[Bytes, Bytes, Bytes]:
    count, digits = len(numbers), _digits(numbers)
    prompt = _beside(count, b"Question ", digits, b": ", _sentence(numbers, 1, 8))
    answer = _beside(count, b"Answer ", digits, b": ", _sentence(numbers, 3, 4))
    return prompt, _sentence(numbers, 2, words), answer


def _sentence(numbers: Numbers, salt: int, words: int) -> Bytes:
    """Words of a trace, shape (rows, bytes), without the space at the end."""
    first = numbers * np.uint64(1_000) + np.uint64(salt << 56)
    keys: Numbers = np.add.outer(first, np.arange(words, dtype=np.uint64))
    sentences: Bytes = _VOCABULARY[_mixed(keys) % np.uint64(_WORDS)].reshape(len(numbers), -1)
    return sentences[:, :-1]


def _mixed(numbers: Numbers) -> Numbers:
    """Bits mixed as SplitMix64 does it (Steele, Lea, Flood 2014)."""
    mixed: Numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _digits(numbers: Numbers) -> Bytes:
    powers = np.array([10**power for power in reversed(range(_DIGITS))], np.uint64)
    return (numbers[:, None] // powers % np.uint64(10)).astype(np.uint8) + np.uint8(ord("0"))


def _beside(rows: int, *parts: Bytes | bytes) -> Bytes:
    """Parts side by side; a constant stands in every row."""
    columns = [
        np.broadcast_to(np.frombuffer(part, np.uint8), (rows, len(part))) if isinstance(part, bytes) else part
        for part in parts
    ]
    return np.concatenate(columns, axis=1)


def _strings(texts: Bytes) -> pa.StringArray:
    rows, width = texts.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(np.ascontiguousarray(texts).tobytes())
    )


def _vocabulary() -> Bytes:
    """Words of seven letters and a space, shape (words, 8)."""
    seeds = np.arange(_WORDS * _LETTERS, dtype=np.uint64).reshape(_WORDS, _LETTERS)
    letters = (_mixed(seeds) % np.uint64(26)).astype(np.uint8) + np.uint8(ord("a"))
    return np.concatenate([letters, np.full((_WORDS, 1), ord(" "), np.uint8)], axis=1)


_VOCABULARY = _vocabulary()


def _among(rows: int, period: int, residue: int) -> int:
    """How many of the places 0 … rows−1 leave this residue."""
    return (rows - residue + period - 1) // period if rows > residue else 0
