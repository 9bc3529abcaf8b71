from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.recipe import Near
from manifests.keys import Trace
from manifests.similarity import minhash
from manifests.similarity.jaccard import jaccard, shingle_sets
from tests.curation.plain_near import plain_jaccard, plain_shingles

WORD = st.sampled_from(["a", "B", "b", "two", "é", "seventeen-letters"])
TEXT = st.lists(WORD, min_size=1, max_size=15).map(" ".join)


@given(one=TEXT, other=TEXT, words=st.integers(1, 6))
def test_the_index_is_that_of_the_plain_definition(one: str, other: str, words: int) -> None:
    near = Near(words=words, on=("prompt",))
    expected = plain_jaccard(Trace(one, "", ""), Trace(other, "", ""), near)
    assert jaccard(one.encode(), other.encode(), words) == expected
    assert jaccard(other.encode(), one.encode(), words) == expected


def test_the_index_is_exact() -> None:
    numbers = [str(number).encode() for number in range(13)]
    assert jaccard(b" ".join(numbers), b" ".join(numbers[:11])) == Fraction(7, 9)
    assert jaccard(b" ".join(numbers), b" ".join(numbers)) == 1
    assert jaccard(b" ".join(numbers), b"other words") == 0


def test_a_text_without_words_is_like_another_such_and_like_nothing_else() -> None:
    assert jaccard(b"", b" \n") == 1
    assert jaccard(b"\n\n", b"a word") == 0


@given(texts=st.lists(TEXT, max_size=6))
def test_shingle_sets_ascend_without_repetition_however_texts_are_portioned(texts: list[str]) -> None:
    expected = [
        sorted(set(plain_shingles(Trace(text, "", ""), Near(words=2, on=("prompt",))))) for text in texts
    ]
    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 20, 1 << 20):
            patch.setattr(minhash, "_PORTION_BYTES", size)
            found = shingle_sets([text.encode() for text in texts], 2)
            assert [hashes.tolist() for hashes in found] == expected
