import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.recipe import Near
from manifests.keys import Trace
from manifests.similarity import minhash
from manifests.similarity.minhash import band_key_matrix, multipliers, shingle_hashes
from tests.curation.plain_near import plain_band_keys, plain_shingles

WORDS = st.sampled_from(
    ["a", "B", "to", "The", "four", "eleven words", "É", "漢字", "seventeen-letters", "x" * 40]
)
SPACES = st.sampled_from([" ", "\n", "\t", "\v", "\f", "\r", " \r\n ", "\u00a0", "\u2028", "\x1c"])
TEXTS = st.lists(st.tuples(WORDS, SPACES), min_size=1, max_size=30).map(
    lambda parts: "".join(word + space for word, space in parts)
)

# Computed by the plain definition in plain_near.py, not by the module under test.
SHINGLES = [
    "4a95a622fcedf07c",
    "7e750ed21a72992f",
    "b89342c7f196a260",
    "0af879f9a4804eba",
    "88e4f80334fc4ed0",
]
BAND_KEYS = [
    ["f7164dc6480e8b93", "87c5c95cc9019a86", "e7e30980cc745343"],
    ["1d770373d5e86226", "88031f3a05d04b1d", "c8fcbe1d05fd71ef"],
]


def hashes_of(texts: list[str], words: int) -> list[list[int]]:
    found = shingle_hashes([text.encode() for text in texts], words)
    assert len(found.starts) == len(texts) + 1
    return [part.tolist() for part in np.split(found.hashes, found.starts[1:-1])] if texts else []


def test_the_shingle_hashes_are_these() -> None:
    (found,) = hashes_of(["The quick brown fox jumps over the lazy dog."], 5)
    assert [f"{shingle:016x}" for shingle in found] == SHINGLES


def test_the_multipliers_are_odd_and_are_these() -> None:
    assert multipliers(4).tolist() == [0x7B1DCDAF, 0xA1B965F5, 0x8009454F, 0x724C81ED]
    assert (multipliers(1000) & 1).all()
    assert len(set(multipliers(1000).tolist())) == 1000


def test_the_band_keys_are_these() -> None:
    texts = [b"The quick brown fox jumps over the lazy dog.", "Größe zählt".encode()]
    found = band_key_matrix(shingle_hashes(texts, 5), 3, 2)
    assert found.dtype == np.uint64
    assert [[f"{key:016x}" for key in keys] for keys in found.tolist()] == BAND_KEYS


@given(texts=st.lists(TEXTS, max_size=8), words=st.integers(1, 7))
def test_shingles_are_those_of_the_plain_definition(texts: list[str], words: int) -> None:
    near = Near(words=words, on=("prompt",))
    assert hashes_of(texts, words) == [plain_shingles(Trace(text, "", ""), near) for text in texts]


@given(texts=st.lists(TEXTS, max_size=6), bands=st.integers(1, 4), rows=st.integers(1, 4))
def test_band_keys_are_those_of_the_plain_definition(texts: list[str], bands: int, rows: int) -> None:
    near = Near(words=2, bands=bands, rows=rows, on=("prompt",))
    found = band_key_matrix(shingle_hashes([text.encode() for text in texts], 2), bands, rows)
    assert found.shape == (len(texts), bands)
    assert found.tolist() == [plain_band_keys(Trace(text, "", ""), near) for text in texts]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64])
def test_where_a_block_ends_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'Wort ' * count}{'x' * count} Ende {count}".encode() for count in (30, 1, 2, 50, 0, 7)]
    whole = shingle_hashes(texts, 4)
    keys = band_key_matrix(whole, 5, 3)
    monkeypatch.setattr(minhash, "_BLOCK_BYTES", size)
    monkeypatch.setattr(minhash, "_BLOCK_SHINGLES", size)
    parts = shingle_hashes(texts, 4)
    assert parts.hashes.tolist() == whole.hashes.tolist()
    assert parts.starts.tolist() == whole.starts.tolist()
    assert band_key_matrix(parts, 5, 3).tolist() == keys.tolist()


def test_case_of_ascii_letters_and_ascii_whitespace_do_not_matter_and_nothing_else_is_folded() -> None:
    plain, other = hashes_of(["one two three four five six", "ONE\ttwo\r\n\n Three\ffour\vfive six"], 5)
    assert plain == other
    for different in ("É two", "e\u0301 two", "é\u00a0two", "é\x1ctwo", "é, two"):
        first, second = hashes_of(["é two", different], 1)
        assert first != second


def test_a_text_with_fewer_words_is_one_shingle_of_all_its_words() -> None:
    one, two, other = hashes_of(["alpha", "alpha beta", "beta alpha"], 5)
    assert len(one) == len(two) == len(other) == 1
    assert len({one[0], two[0], other[0]}) == 3
    assert hashes_of(["alpha beta"], 2) == [two]


def test_a_text_without_words_has_the_run_of_no_words_which_hashes_to_zero() -> None:
    assert hashes_of(["", "a b", " \t\n", "a", ""], 2) == [
        [0],
        *hashes_of(["a b"], 2),
        [0],
        *hashes_of(["a"], 2),
        [0],
    ]
    assert hashes_of(["\n\n"], 5) == [[0]]


def test_share_of_equal_minima_is_the_jaccard_index() -> None:
    def text(first: int) -> bytes:
        return " ".join(f"word{number}" for number in range(first, first + 400)).encode()

    shifts = range(0, 400, 40)
    found = band_key_matrix(shingle_hashes([text(shift) for shift in shifts], 1), 1000, 1)
    for shift, keys in zip(shifts, found, strict=True):
        expected = (400 - shift) / (400 + shift)
        deviation = 4 * (expected * (1 - expected) / 1000) ** 0.5
        assert np.mean(keys == found[0]) == pytest.approx(expected, abs=deviation)
