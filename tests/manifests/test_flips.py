"""One turned bit is found and undone, and a byte of manifest.json is told by its field."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.canonical import canonical_bytes
from manifests.diagnosis.document import document_fault, field_at
from manifests.diagnosis.flips import LARGEST_FLIPPED, flipped_bit


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_turned_bit_is_always_found_and_undone(data: bytes, drawn: st.DataObject) -> None:
    place, bit = drawn.draw(st.integers(0, len(data) - 1)), drawn.draw(st.integers(0, 7))
    turned = bytearray(data)
    turned[place] ^= 1 << bit
    assert flipped_bit(bytes(turned), _sha256(data)) == (place, data)
    assert flipped_bit(data, _sha256(b"something else")) is None


def test_bits_of_files_larger_than_16_kib_are_not_tried() -> None:
    data = bytes(LARGEST_FLIPPED + 1)
    assert flipped_bit(b"\1" + data[1:], _sha256(data)) is None
    assert flipped_bit(b"\1" + data[2:], _sha256(data[1:])) == (0, data[1:])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "cc"]), inner, max_size=3)
    ),
)


@given(_JSON)
def test_the_field_of_every_byte_is_one_that_holds_it(value: object) -> None:
    data = canonical_bytes(value)
    for place in range(len(data)):
        inner: object = value
        for key in field_at(value, place):
            inner = inner[key]  # type: ignore[index]
        assert len(canonical_bytes(inner)) <= len(data)


def test_the_field_of_a_byte_is_the_innermost() -> None:
    value = {"a": [10, {"b": "text"}], "c": None}
    data = canonical_bytes(value)
    assert field_at(value, data.index(b"text")) == ("a", 1, "b")
    assert field_at(value, data.index(b"10")) == ("a", 0)
    assert field_at(value, data.index(b"null")) == ("c",)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b"{" * 20_000, b"\xff\xfe", b'{"ledger":[{"stages":[1]}]}']
)
def test_what_is_no_manifest_json_at_all_is_one_fault(data: bytes) -> None:
    fault, true = document_fault(data, "ab" * 32, {("format",): 1}, [])
    assert true is None
    assert fault.where == "manifest.json"
    assert "fetch it again" in fault.cause
