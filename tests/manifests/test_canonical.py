"""Canonical JSON (FORMAT.md, section 6)."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.canonical import canonical_bytes, decimal_text, parse_canonical
from manifests.errors import FormatError

keys = st.text(st.characters(codec="ascii"), max_size=6)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def parse(data: bytes) -> object:
    return parse_canonical(data, "a.json")


def refused(data: bytes) -> str:
    """The one line with which the bytes are refused; it names the file."""
    with pytest.raises(FormatError) as caught:
        parse(data)
    assert str(caught.value).startswith("a.json: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": [1, True, None], "a": {"d": "", "c": -5}}, b'{"a":{"c":-5,"d":""},"b":[1,true,null]}'),
        ({"B": 1, "a": 2, "_": 3, "A": 4}, b'{"A":4,"B":1,"_":3,"a":2}'),
        ('"\\/', b'"\\"\\\\/"'),
        ("\b\t\n\f\r\x00\x1f\x7f", b'"\\b\\t\\n\\f\\r\\u0000\\u001f\\u007f"'),
        ("é\u00a0日😀", b'"\\u00e9\\u00a0\\u65e5\\ud83d\\ude00"'),
        (2**63 - 1, b"9223372036854775807"),
        (-(2**63), b"-9223372036854775808"),
        ([], b"[]"),
        (False, b"false"),
    ],
)
def test_the_canonical_bytes_of_a_known_value_never_change(value: object, expected: bytes) -> None:
    assert canonical_bytes(value) == expected
    assert parse(expected) == value


@given(json_values)
def test_what_was_written_is_read_back_and_written_the_same(value: object) -> None:
    data = canonical_bytes(value)
    assert parse(data) == value
    assert canonical_bytes(parse(data)) == data
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


@given(st.dictionaries(keys, json_values, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_in_which_keys_were_set_does_not_matter(value: dict[str, object], random: object) -> None:
    names = list(value)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert canonical_bytes({name: value[name] for name in names}) == canonical_bytes(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.5, "float"),
        (float("nan"), "float"),
        ({"a": [1, 2.0]}, "float"),
        (Decimal("0.5"), "Decimal"),
        (b"bytes", "bytes"),
        ((1, 2), "tuple"),
        ({"é": 1}, "ASCII"),
        ({1: 1}, "ASCII"),
        ({"a": {"\u212a": 1}}, "ASCII"),
        ("\ud800", "surrogate"),
        (["a\udfffb"], "surrogate"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ({"a": [[10**30]]}, "64 bits"),
    ],
)
def test_what_has_no_canonical_form_is_not_written(value: object, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        canonical_bytes(value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":0.5}', "0.5 is a float"),
        (b"[1e3]", "1e3 is a float"),
        (b"[1.0]", "1.0 is a float"),
        (b"[NaN]", "NaN is a float"),
        (b"[-Infinity]", "-Infinity is a float"),
        (b'{"a":1,"a":1}', "a key stands twice"),
        (b'{"a":{"b":1,"b":2}}', "a key stands twice"),
        (b'{"\\u00e9":1}', "ASCII"),
        (b'["\\ud800"]', "surrogate"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[-9223372036854775809]", "64 bits"),
        (b"[" + b"9" * 5_000 + b"]", "not JSON of a manifest"),
        (b'{"a":1', "not JSON of a manifest"),
        (b"", "not JSON of a manifest"),
        (b'"\xff"', "not JSON of a manifest"),
        (b'{"a":1}{}', "not JSON of a manifest"),
    ],
)
def test_text_that_can_t_be_canonical_is_refused(data: bytes, reason: str) -> None:
    assert reason in refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{ "a":1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'{"b":1,"a":1}',
        b'["\\/"]',
        b'["\\u0041"]',
        b'["\\u00E9"]',
        '["é"]'.encode(),
        b'["\\u007F"]',
        b'["\x7f"]',
        b"[-0]",
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_another_spelling_of_the_same_value_is_refused(data: bytes) -> None:
    assert "not in canonical form" in refused(data)


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_nesting_without_end_is_refused_and_never_a_traceback(opened: bytes, closed: bytes) -> None:
    for depth in (*range(100, 1_100), 5_000, 200_000):
        data = opened * depth + b"1" + closed * depth
        try:
            assert canonical_bytes(parse(data)) == data
        except FormatError as error:
            assert "\n" not in str(error)  # noqa: PT017 - how deep is too deep is the interpreter's affair
            assert depth > 400


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.8", "0.8"),
        ("0.80", "0.8"),
        ("50", "50"),
        ("50.0", "50"),
        ("5e1", "50"),
        ("1E-7", "0.0000001"),
        ("0", "0"),
        ("0.0", "0"),
        ("1.10", "1.1"),
        ("100", "100"),
        ("1e2", "100"),
    ],
)
def test_a_decimal_has_one_text_without_exponent_or_trailing_zeros(number: str, text: str) -> None:
    assert decimal_text(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**9, places=9))
def test_a_decimal_is_told_from_its_text_exactly(number: Decimal) -> None:
    text = decimal_text(number)
    assert Decimal(text) == number
    assert decimal_text(Decimal(text)) == text
