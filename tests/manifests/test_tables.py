"""The encoding rows/v1 (FORMAT.md, section 3), against an implementation of its own and frozen digests."""

import hashlib
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import VerificationError
from manifests.tables import (
    CONTENT,
    REJECTS,
    ROWS,
    TableForm,
    block_digest,
    blocks_of,
    check_columns,
    empty_table,
    root_digest,
    table_digest,
    table_of,
)

FORMS = (CONTENT, REJECTS, ROWS)
Row = Sequence[str | bytes | int]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = {"string": texts, "u64": st.integers(0, 2**64 - 1), "bytes16": st.binary(min_size=16, max_size=16)}


def plain_digest(columns: str, rows: Sequence[Row]) -> str:
    """rows/v1 once more, from the page, value by value."""
    roots = hashlib.sha256(f"rows/v1 {columns}\n".encode() + len(rows).to_bytes(8, "little"))
    for start in range(0, len(rows), 8192):
        block = b""
        for column in zip(*rows[start : start + 8192], strict=True):
            data = [value.encode() if isinstance(value, str) else value for value in column]
            if isinstance(column[0], str):
                block += b"".join(
                    len(value).to_bytes(8, "little") for value in data if isinstance(value, bytes)
                )
            block += b"".join(v if isinstance(v, bytes) else v.to_bytes(8, "little") for v in data)
        roots.update(hashlib.sha256(block).digest())
    return roots.hexdigest()


def table_from(form: TableForm, rows: Sequence[Row]) -> pa.Table:
    return table_of(form, list(zip(*rows, strict=True)) if rows else [[] for _ in form.schema])


def rows_of(form: TableForm, max_size: int = 12) -> st.SearchStrategy[list[Row]]:
    kinds = [column.split(":")[1] for column in form.columns.split(",")]
    return st.lists(st.tuples(*(values[kind] for kind in kinds)), max_size=max_size)


form_and_rows = st.sampled_from(FORMS).flatmap(lambda form: st.tuples(st.just(form), rows_of(form)))


@pytest.mark.parametrize(
    ("form", "rows", "expected"),
    [
        (
            CONTENT,
            [("a", 1, "p", "r", "ä"), ("b", 2**64 - 1, "", "", "")],
            "38a004a73cd933ac762e78dafcc483d9fc0f9d2ee3b0f218ede0953db23ad635",
        ),
        (
            ROWS,
            [("a", 1, bytes(range(16)), b"\xff" * 16, 3), ("b", 7, bytes(16), bytes(range(16, 32)), 0)],
            "108b270885c2889de0fd30dbaaa6d34de1f388558eafba8d8066964fddb48dd2",
        ),
        (
            REJECTS,
            [
                ("a", 2, "parse", "null", "", "", "", 0),
                ("b", 3, "disjoint", "same-row", "", "0" * 64, "a", 9),
            ],
            "13d80e986d116dde69c784c09df85f5b78d71573b936c11aeb5d3977b506314a",
        ),
        (CONTENT, [], "f8500eb3dcc72bb5aa67c329b6345c369eb4133437a017161bc330102d6637cf"),
        (ROWS, [], "fedfc17a65f5d49f9d11db0b673a8ed4bfecfe7368ad3c36adef048d3f0940cd"),
        (REJECTS, [], "72d85dfa298f1e9e6812c558c1ed86babf15184135875292a209bca84f50b932"),
    ],
    ids=["content", "rows", "rejects", "no content", "no rows", "no rejects"],
)
def test_the_digest_of_a_known_table_never_changes(
    form: TableForm, rows: Sequence[Row], expected: str
) -> None:
    assert table_digest(form, table_from(form, rows))[0] == expected
    assert plain_digest(form.columns, rows) == expected


@given(form_and_rows)
def test_the_digest_is_the_one_that_the_page_describes(case: tuple[TableForm, list[Row]]) -> None:
    form, rows = case
    assert table_digest(form, table_from(form, rows))[0] == plain_digest(form.columns, rows)


@pytest.mark.parametrize("count", [1, 8_191, 8_192, 8_193, 16_384, 16_385])
def test_blocks_are_cut_every_8192_rows(count: int) -> None:
    rows: list[Row] = [("ä" * (number % 3), number, "p", "", str(number)) for number in range(count)]
    digest, blocks = table_digest(CONTENT, table_from(CONTENT, rows))
    assert digest == plain_digest(CONTENT.columns, rows)
    assert len(blocks) == -(-count // 8_192)
    assert [block.num_rows for block in blocks_of(table_from(CONTENT, rows))][:-1] == [8_192] * (
        len(blocks) - 1
    )


@given(form_and_rows, st.data())
def test_neither_chunks_nor_slices_nor_offsets_of_a_table_change_its_digest(
    case: tuple[TableForm, list[Row]], data: st.DataObject
) -> None:
    form, rows = case
    expected = plain_digest(form.columns, rows)
    table = table_from(form, rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    pieces = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    chunked = pa.concat_tables(pieces)
    before, after = data.draw(rows_of(form, 3)), data.draw(rows_of(form, 3))
    sliced = table_from(form, [*before, *rows, *after]).slice(len(before), len(rows))
    many = pa.concat_tables([table_from(form, before), chunked, table_from(form, after)]).slice(
        len(before), len(rows)
    )
    assert [table_digest(form, one)[0] for one in (chunked, sliced, many)] == [expected] * 3


def test_a_chunk_border_inside_a_block_changes_nothing() -> None:
    rows: list[Row] = [("a", number, "p", "r", str(number)) for number in range(8_200)]
    table = table_from(CONTENT, rows)
    chunked = pa.concat_tables([table.slice(0, 5_000), table.slice(5_000, 3_195), table.slice(8_195)])
    assert table_digest(CONTENT, chunked) == table_digest(CONTENT, table)


@given(rows_of(CONTENT), rows_of(CONTENT))
def test_different_rows_have_different_digests(one: list[Row], other: list[Row]) -> None:
    digests = {table_digest(CONTENT, table_from(CONTENT, rows))[0] for rows in (one, other)}
    assert len(digests) == (1 if one == other else 2)


def test_text_that_moves_to_the_next_value_changes_the_digest() -> None:
    moved = (
        [("s", 1, "ab", "c", ""), ("s", 1, "a", "bc", "")],
        [("s", 1, "abc", "", ""), ("s", 1, "", "abc", "")],
    )
    digests = {table_digest(CONTENT, table_from(CONTENT, rows))[0] for rows in moved}
    digests |= {table_digest(CONTENT, table_from(CONTENT, rows[::-1]))[0] for rows in moved}
    assert len(digests) == 4


def test_tables_with_equal_bytes_and_other_columns_have_different_digests() -> None:
    blocks = [hashlib.sha256(b"").hexdigest()]
    assert len({root_digest(form, rows, blocks) for form in FORMS for rows in (0, 1)}) == 6


def test_the_root_depends_on_the_order_of_the_blocks() -> None:
    blocks = [hashlib.sha256(text).hexdigest() for text in (b"1", b"2")]
    assert root_digest(CONTENT, 9_000, blocks) != root_digest(CONTENT, 9_000, blocks[::-1])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_null_is_refused_wherever_it_stands(form: TableForm) -> None:
    row = {"string": "", "u64": 0, "bytes16": bytes(16)}
    kinds = [column.split(":")[1] for column in form.columns.split(",")]
    for place, field in enumerate(form.schema):
        columns = [
            pa.array([row[kind], row[kind]], type=f.type) for kind, f in zip(kinds, form.schema, strict=True)
        ]
        columns[place] = pa.array([row[kinds[place]], None], type=field.type)
        with pytest.raises(VerificationError, match=f"table {form.name}: a null"):
            table_digest(form, pa.table(columns, names=form.schema.names))


def cast(column: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, table.column(column).cast(kind))

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["chars"]),
        lambda table: table.append_column("sketch", pa.array(["x"])),
        lambda table: table.rename_columns({"chars": "characters"}),
        lambda table: table.select(["source", "row", "prompt", "content", "chars"]),
        cast("row", pa.int64()),
        cast("source", pa.large_string()),
        cast("source", pa.dictionary(pa.int32(), pa.string())),
        cast("content", pa.binary()),
    ],
    ids=["missing", "extra", "renamed", "swapped", "signed", "large", "dictionary", "variable-width"],
)
def test_other_columns_than_the_form_s_are_refused(change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(table_from(ROWS, [("a", 1, bytes(16), bytes(16), 1)]))
    with pytest.raises(VerificationError, match="table rows: expected the columns source:string,row:u64"):
        block_digest(ROWS, table)
    with pytest.raises(VerificationError, match="table rows"):
        check_columns(ROWS, table.schema)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_metadata_and_nullability_of_columns_do_not_matter(form: TableForm) -> None:
    fields = [field.with_nullable(True).with_metadata({"note": "any"}) for field in form.schema]  # noqa: FBT003
    check_columns(form, pa.schema(fields, metadata={"note": "any"}))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_an_empty_table_has_no_blocks(form: TableForm) -> None:
    assert empty_table(form).num_rows == 0
    assert table_digest(form, empty_table(form)) == (plain_digest(form.columns, []), [])
