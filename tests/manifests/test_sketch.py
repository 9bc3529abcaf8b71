import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.identity import SKETCH
from manifests.keys import Trace
from manifests.similarity import minhash
from manifests.similarity.jaccard import WORDS, jaccard
from manifests.similarity.sketch import (
    SKETCH_BYTES,
    least_matches,
    similarity_of,
    sketches,
    standard_error,
    text_of,
)
from tests.manifests.plain_sketch import BYTES, plain_estimate, plain_sketch

WORD = st.sampled_from(["a", "B", "two", "Drei", "é", "漢字", "seventeen-letters"])
FIELD = st.lists(WORD, min_size=1, max_size=9).map(" ".join)
TRACES = st.builds(Trace, FIELD, FIELD, FIELD)

# Computed by the plain definition in plain_sketch.py, not by the module under test.
GOLDEN = {
    Trace("What is 2 + 3?", "Two and three make five.", "5"): (
        "a381a1d8db3cf321c0957609ca23718f1b5f0969b85b41e322038bce222a2177"
        "78152e25af0a4ccf2683610fee5fc090746eca3b4ee060a93711de51a751d44e"
        "e58ab1ee8f71f36f782c4b0540bc3d3aa313206d30e745b49291f23603e3c86b"
        "78c60abd1ed391879fcb9146644005afabaa9ef526350d7a28aaf2170e34ed7f"
    ),
    Trace("Größe", "zählt", "nicht"): (
        "b8ef96364fffe98f4f40567f8280345bc8ae25b1da23c48c643e099690ed0280"
        "68849a9b931ae8f6bddeebefc5255a34359c33e13c76d7177918d8aa848cb158"
        "cd91f69ec477c015e299f3c2fd4cd583fab935cbc147b2a6932260c4179a8494"
        "71868e88c78eba3937d5c19de42680bfbb0a50c9d06a9c115f065145bdad0438"
    ),
}


def sketch(*parts: str) -> bytes:
    (found,) = sketches([text_of(Trace(*parts))])
    return bytes(found)


def words(first: int, past: int) -> bytes:
    return " ".join(f"word{number}" for number in range(first, past)).encode()


def test_the_algorithm_has_this_name_and_a_sketch_this_size() -> None:
    assert (SKETCH, SKETCH_BYTES, WORDS) == ("sketch/minhash-b8/1", BYTES, 5)


def test_the_text_is_prompt_reasoning_and_answer_joined_by_a_line_feed() -> None:
    assert text_of(Trace("a é", "b", "c")) == "a é\nb\nc".encode()


@pytest.mark.parametrize("trace", GOLDEN)
def test_the_sketches_are_these(trace: Trace) -> None:
    assert sketch(*trace).hex() == GOLDEN[trace]


@given(traces=st.lists(TRACES, max_size=5))
def test_sketches_are_those_of_the_plain_definition(traces: list[Trace]) -> None:
    found = sketches(map(text_of, traces))
    assert found.shape == (len(traces), SKETCH_BYTES)
    assert found.dtype == np.uint8
    assert [row.tobytes() for row in found] == [plain_sketch(trace) for trace in traces]


def test_a_sketch_depends_on_its_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [words(first, first + 7 * first + 1) for first in range(20)]
    alone = [sketches([text])[0].tobytes() for text in texts]
    assert [row.tobytes() for row in sketches(texts)] == alone
    monkeypatch.setattr(minhash, "_PORTION_BYTES", 100)
    assert [row.tobytes() for row in sketches(reversed(texts))] == alone[::-1]


@given(seed=st.integers(0, 1000))
def test_the_order_and_the_number_of_shingles_do_not_matter(seed: int) -> None:
    """Sentences of five words after a pause of five others: their shingles are moved and repeated as wholes."""
    draw = random.Random(seed)
    pause = " - - - - - "
    sentences = [" ".join(f"s{number}w{word}" for word in range(5)) for number in range(6)]
    moved = [*sentences, draw.choice(sentences)]
    draw.shuffle(moved)
    one, other = (pause + pause.join(part) + pause for part in (sentences, moved))
    assert jaccard(one.encode(), other.encode()) == 1
    assert (sketches([one.encode()]) == sketches([other.encode()])).all()


def test_case_of_ascii_letters_and_ascii_whitespace_do_not_matter() -> None:
    assert sketch("One  two", "three\tfour five", "six") == sketch("ONE TWO", "three four\n\nfive", "six")
    assert sketch("é", "two", "three") != sketch("É", "two", "three")


def test_the_estimate_is_the_share_of_equal_bytes_without_what_chance_gives() -> None:
    matches = np.arange(SKETCH_BYTES + 1)
    assert similarity_of(matches) == pytest.approx(
        [float(plain_estimate(count)) for count in range(129)], abs=1e-15
    )
    assert similarity_of(np.array([0, 128])).tolist() == [0.0, 1.0]


@given(threshold=st.decimals(Decimal("0.001"), 1, places=4))
def test_the_least_number_of_equal_bytes_is_exact(threshold: Decimal) -> None:
    least = least_matches(threshold)
    assert plain_estimate(least) >= Fraction(threshold)
    assert least == 0 or plain_estimate(least - 1) < Fraction(threshold)


def test_thresholds_that_an_estimate_meets_exactly_are_met() -> None:
    assert [least_matches(Decimal(text)) for text in ("0.2", "0.6", "0.8", "1")] == [26, 77, 103, 128]
    assert plain_estimate(26) == Fraction(1, 5)


def test_the_standard_error_is_that_of_128_agreements() -> None:
    assert standard_error(1) == 0
    assert max(standard_error(step / 1000) for step in range(1001)) == pytest.approx(0.04437, abs=1e-5)
    for similarity in (0.1, 0.5, 0.8):
        minhash_alone = math.sqrt(similarity * (1 - similarity) / 128)
        assert minhash_alone < standard_error(similarity) < 1.05 * minhash_alone


@pytest.mark.parametrize("length", [30, 300])
@pytest.mark.parametrize("similarity", [0.05, 0.3, 0.5, 0.8, 0.95])
def test_the_estimate_has_no_bias_and_the_error_that_is_stated(length: int, similarity: float) -> None:
    pairs = 500
    common = round(2 * length * similarity / (1 + similarity))
    texts = []
    for pair in range(pairs):
        start = pair * 10_000
        apart = length - common
        texts += [words(start, start + length + 4), words(start + apart, start + apart + length + 4)]
    true = jaccard(texts[0], texts[1])
    found = sketches(texts)
    matches = np.count_nonzero(found[::2] == found[1::2], axis=1)
    estimates = (2 * matches - 1) / 255
    error = standard_error(float(true))
    assert estimates.mean() == pytest.approx(float(true), abs=4 * error / math.sqrt(pairs))
    assert estimates.std() == pytest.approx(error, rel=4 / math.sqrt(2 * pairs))
