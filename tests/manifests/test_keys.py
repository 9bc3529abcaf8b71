"""The keys of FORMAT.md, section 1 and 5: written down again here from the page, and frozen as vectors."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from manifests.keys import Trace, content_key, draw_key, hub_origin, local_origin, order_key, prompt_key

TRACE = Trace("What is 1 + 1?", "Zähle weiter.", "2")
CONTENT = bytes.fromhex("0de350d680c1ada9a84b6747a69375cd")
REVISION = "0123456789abcdef0123456789abcdef01234567"
HUB_ORIGIN = bytes.fromhex("51c6cc2d1b2faeae6a4ae2f4690dfa264f0c70e156e447f6f3e70f1728eb34b5")

texts = st.text(st.characters(exclude_categories=["Cs"]))
seeds = st.integers(0, 2**63 - 1)
ascii_letters_and_spaces = st.text(st.sampled_from(" \t\n\v\f\rAaZz"), min_size=1)


def digest_of(*parts: bytes) -> bytes:
    return xxh3_128_digest(b"".join(parts))


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def test_the_digest_is_xxh3_128_with_seed_0_in_its_big_endian_form() -> None:
    # The value of the empty input in xxHash's own test vectors.
    assert digest_of(b"").hex() == "99aa06d3014798d86001c324468d497f"


def test_the_content_key_of_a_known_trace_never_changes() -> None:
    assert content_key(TRACE) == CONTENT


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is 1 + 1?", "08a5e84fcc6b4463cde9f5136b7cf21c"),
        ("wHAT \t is\r\n1\v+\f1?", "08a5e84fcc6b4463cde9f5136b7cf21c"),
        ("HÄufig  ß i̇İ", "9eea915e15d5ea6f3d5802b8c5392053"),
    ],
    ids=["plain", "case and spaces", "outside ASCII"],
)
def test_the_prompt_key_of_a_known_prompt_never_changes(prompt: str, expected: str) -> None:
    assert prompt_key(prompt).hex() == expected


def test_the_origin_of_a_known_hub_file_never_changes() -> None:
    assert (
        hub_origin("glaiveai/reasoning-v1-20m", REVISION, "data/train-00000-of-00140.parquet") == HUB_ORIGIN
    )


def test_the_origin_of_a_local_file_is_its_sha256() -> None:
    assert local_origin(hashlib.sha256(b"a file").hexdigest()) == hashlib.sha256(b"a file").digest()


@pytest.mark.parametrize(
    ("seed", "origin", "row", "expected"),
    [
        (42, bytes(range(32)), 22_850, "d71017546400dbae99034b9be26dcf61"),
        (2**63 - 1, HUB_ORIGIN, 1, "ab9964d6f41255b708299578fdf3b73b"),
    ],
    ids=["local", "hub"],
)
def test_a_known_draw_key_never_changes(seed: int, origin: bytes, row: int, expected: str) -> None:
    assert draw_key(seed, origin, row).hex() == expected


@pytest.mark.parametrize(
    ("seed", "content", "expected"),
    [(42, CONTENT, "73ba533dfc62b221483283b9096a1990"), (0, bytes(16), "10e45c7ce2292320743df94ee4c78a2a")],
    ids=["seed 42", "seed 0"],
)
def test_a_known_order_key_never_changes(seed: int, content: bytes, expected: str) -> None:
    assert order_key(seed, content).hex() == expected


@given(texts, texts, texts)
def test_the_content_key_is_the_digest_of_three_digests(prompt: str, reasoning: str, answer: str) -> None:
    parts = [digest_of(text.encode("utf-8")) for text in (prompt, reasoning, answer)]
    assert content_key(Trace(prompt, reasoning, answer)) == digest_of(*parts)


@given(texts)
def test_the_prompt_key_is_the_digest_of_the_folded_prompt(prompt: str) -> None:
    folded = "".join(letter.lower() if letter in string.ascii_uppercase else letter for letter in prompt)
    for space in "\t\n\v\f\r":
        folded = folded.replace(space, " ")
    while "  " in folded:
        folded = folded.replace("  ", " ")
    assert prompt_key(prompt) == digest_of(folded.encode("utf-8"))


@given(texts, texts, texts)
def test_the_origin_of_a_hub_file_is_the_digest_of_its_repository_revision_and_path(
    repository: str, revision: str, path: str
) -> None:
    expected = hashlib.sha256(
        b"hub\n%b\n%b\n%b" % (repository.encode(), revision.encode(), path.encode())
    ).digest()
    assert hub_origin(repository, revision, path) == expected


@given(seeds, st.binary(min_size=32, max_size=32), st.integers(1, 2**64 - 1))
def test_the_draw_key_is_the_digest_of_seed_origin_and_row(seed: int, origin: bytes, row: int) -> None:
    assert draw_key(seed, origin, row) == digest_of(u64(seed), origin, u64(row))


@given(seeds, st.binary(min_size=16, max_size=16))
def test_the_order_key_is_the_digest_of_seed_and_content(seed: int, content: bytes) -> None:
    assert order_key(seed, content) == digest_of(u64(seed), content)


@given(texts, texts, st.text("|", min_size=1))
def test_text_that_moves_from_one_part_to_the_next_is_another_content(
    first: str, second: str, moved: str
) -> None:
    assert content_key(Trace(first + moved, second, "a")) != content_key(Trace(first, moved + second, "a"))
    assert content_key(Trace("p", first + moved, second)) != content_key(Trace("p", first, moved + second))


def test_equal_parts_in_another_order_are_another_content() -> None:
    assert len({content_key(Trace(*parts)) for parts in ("abc", "acb", "bac", "bca", "cab", "cba")}) == 6


@given(ascii_letters_and_spaces, texts)
def test_prompts_that_differ_in_ascii_case_and_length_of_ascii_spaces_share_their_key(
    head: str, tail: str
) -> None:
    spaced = "".join(f"\t {letter}\r\n" if letter.isspace() else letter for letter in head)
    assert prompt_key(head + "|" + tail) == prompt_key(spaced.swapcase() + "|" + tail)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("İ", "i̇"),
        ("\u212a", "k"),
        ("Ä", "ä"),
        ("ß", "ss"),
        ("a\u00a0b", "a b"),
        ("a\u2003b", "a b"),
        ("a\u0085b", "a b"),
        ("a\x1cb", "a b"),
        ("a b", "ab"),
        ("é", "e\u0301"),
    ],
)
def test_what_is_not_an_ascii_letter_or_an_ascii_space_is_never_folded(one: str, other: str) -> None:
    assert prompt_key(one) != prompt_key(other)
