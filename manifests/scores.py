"""Scores: the loss of every trace of a manifest under a model, in a parquet file that joins the manifest.

One row a trace, in the manifest's order:

source, row   as in the rows table
sample        place in the manifest, from 1
tokens        of the trace that carry a loss
loss          their mean, in nats; null where the trace was not scored

The file's metadata says of which manifest and model (`zerocost.manifest`, `zerocost.adapter`, …), and has the rows/v1
digest of its rows (FORMAT.md, section 3; a double is its eight bytes, null the NaN 7ff8000000000000).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import disk
from manifests.errors import CommandError, VerificationError
from manifests.manifest import Manifest
from manifests.ranking import OUTLIER, Losses, Outlier, SourceScore, find_outliers, rank_sources
from manifests.reading.bounded import (
    check_utf8,
    in_blocks,
    parquet_metadata,
    parquet_rows,
    parquet_tables,
    short_text,
)
from manifests.tables import BLOCK_ROWS, TableForm, block_digest, root_digest
from manifests.words import SHORT_ID, count, cut

SCORES = TableForm("scores", "source:string,row:u64,sample:u64,tokens:u64,loss:f64")
PREFIX = "zerocost."
MANIFEST, DIGEST = f"{PREFIX}manifest", f"{PREFIX}digest"
MOST_SHOWN = 20
_MOST_TOKENS = 1 << 32
_WRITTEN = pa.schema([field.with_nullable(field.name == "loss") for field in SCORES.schema])
_LONGEST_TOLD = 200  # characters of a value of the metadata


@dataclass(frozen=True)
class Scores:
    """Scores that belong to a manifest. `told` is what the file says of the model; losses are NaN for null."""

    told: dict[str, str]
    names: tuple[str, ...]
    sources: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint64]
    tokens: npt.NDArray[np.int64]
    losses: Losses

    def ranking(self) -> list[SourceScore]:
        """The sources, the highest mean loss first."""
        return rank_sources(self.names, self.sources, self.tokens, self.losses)

    def outliers(self) -> list[Outlier]:
        """The traces that stand out, the farthest first."""
        return find_outliers(self.names, self.sources, self.losses)


def write_scores(
    path: Path, manifest: Manifest, tokens: npt.NDArray[np.int64], losses: Losses, told: Mapping[str, str]
) -> None:
    """Write the scores of a manifest's traces (NaN: not scored), atomically. Raises `StoreError`."""
    place, digests, tables = 0, list[str](), list[pa.Table]()
    for block in manifest.row_blocks():
        here = slice(place, place + block.num_rows)
        values = pa.array(losses[here])
        columns = [
            block.column("source").combine_chunks(),
            block.column("row").combine_chunks(),
            pa.array(np.arange(here.start + 1, here.stop + 1, dtype=np.uint64)),
            pa.array(tokens[here].astype(np.uint64)),
            pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values),
        ]
        tables.append(pa.table(columns, schema=_WRITTEN))
        digests.append(_digest(tables[-1]))
        place = here.stop
    named = {MANIFEST: manifest.id, DIGEST: root_digest(SCORES, place, digests)}
    named |= {f"{PREFIX}{name}": value for name, value in told.items()}
    whole = pa.concat_tables([_WRITTEN.empty_table(), *tables])
    sink = pa.BufferOutputStream()
    pq.write_table(
        whole.replace_schema_metadata(named),
        sink,
        compression="zstd",
        row_group_size=BLOCK_ROWS,
        write_page_checksum=True,
    )
    with disk.writing(path):
        disk.replace_file(path.absolute(), sink.getvalue().to_pybytes())


def read_scores(path: Path, manifest: Manifest) -> Scores:
    """The scores in a file, as a stranger may have made it.

    Raises CommandError when there is no such file, VerificationError when they are another manifest's, when a row is
    not that of the manifest, a value can't be, or the file is damaged.
    """
    if not path.exists():
        raise CommandError(f"{path}: there is no such file; 'training score' writes one")
    path = path.resolve()
    metadata = parquet_metadata(path)
    if (of := metadata.get(MANIFEST)) != manifest.id:
        said = "not scores of a manifest" if of is None else f"scores of manifest {cut(of)}"
        raise VerificationError(
            f"{path}: {said}, expected {manifest.id}; 'training score {manifest.id[:SHORT_ID]}' writes them"
        )
    if (rows := parquet_rows(path)) != manifest.identity.rows:
        raise VerificationError(
            f"{path}: {rows:,} rows, the manifest has {manifest.identity.rows:,}; score it again"
        )
    parts, digests, names = list[tuple[npt.NDArray[np.generic], ...]](), list[str](), dict[str, int]()
    expected = manifest.row_blocks()
    for number, block in enumerate(in_blocks(parquet_tables(path, SCORES, short_text))):
        digests.append(_checked(path, block, next(expected, None), number * BLOCK_ROWS))
        sources = block.column("source").combine_chunks().dictionary_encode()
        codes = [names.setdefault(name, len(names)) for name in sources.dictionary.to_pylist()]
        numbers = (block.column(name).to_numpy() for name in ("row", "tokens", "loss"))
        parts.append((np.array(codes, dtype=np.int32)[sources.indices.to_numpy()], *numbers))
    if (digest := root_digest(SCORES, rows, digests)) != metadata.get(DIGEST):
        stated = metadata.get(DIGEST, "none")[:_LONGEST_TOLD]
        raise VerificationError(f"{path}: digest {digest}, it says {stated}; the file is damaged")
    told = {
        name.removeprefix(PREFIX): value[:_LONGEST_TOLD]
        for name, value in metadata.items()
        if name.startswith(PREFIX)
    }
    of_source, in_source, tokens, losses = (
        np.concatenate([part[number] for part in parts] or [np.empty(0)]) for number in range(4)
    )
    return Scores(
        told,
        tuple(names),
        of_source.astype(np.int32),
        in_source.astype(np.uint64),
        tokens.astype(np.int64),
        losses.astype(np.float64),
    )


def scores_json(scores: Scores, path: Path) -> dict[str, object]:
    """What `--json` prints of scores; of the outliers, the farthest."""
    outliers = scores.outliers()
    return {
        "file": str(path),
        "of": {name: value for name, value in scores.told.items() if name not in {"manifest", "digest"}},
        "scored": int((~np.isnan(scores.losses)).sum()),
        "sources": [asdict(source) for source in scores.ranking()],
        "outliers": len(outliers),
        "farthest": [
            {**asdict(outlier), "row": int(scores.rows[outlier.sample - 1])}
            for outlier in outliers[:MOST_SHOWN]
        ],
    }


def scores_lines(scores: Scores) -> list[str]:
    """The same for people."""
    outliers = scores.outliers()
    scored = int((~np.isnan(scores.losses)).sum())
    lines = [
        f"scores     {scored:,} of {count(len(scores.losses), 'trace')} scored, by loss in nats a token:"
    ]
    for source in scores.ranking():
        found = "none scored"
        if source.mean is not None:
            found = f"mean {source.mean:.4f}, median {source.median:.4f}, spread {source.spread:.4f}"
        lines.append(
            f"  {cut(source.source):<16} {found}; {source.scored:,} of {count(source.traces, 'trace')}, "
            f"{count(source.tokens, 'token')}"
        )
    lines.append(
        f"outliers   {count(len(outliers), 'trace')} more than {OUTLIER} spreads from the source's median"
        f"{', the farthest:' if outliers else ''}"
    )
    lines += [
        f"  {outlier.sample:>9,}  {cut(outlier.source)}:{scores.rows[outlier.sample - 1]}  "
        f"loss {outlier.loss:.4f}, {outlier.spreads:+.1f} spreads"
        for outlier in outliers[:MOST_SHOWN]
    ]
    return lines


def _checked(path: Path, block: pa.Table, expected: pa.Table | None, start: int) -> str:
    """The digest of a block, if each of its rows is the manifest's at its place and can be."""
    check_utf8(path, block)
    try:
        digest = _digest(block)
    except VerificationError as error:
        raise VerificationError(f"{path}: {error}") from error
    places = np.arange(start + 1, start + 1 + block.num_rows, dtype=np.uint64)
    if (
        expected is None
        or expected.num_rows != block.num_rows
        or any(not block.column(name).equals(expected.column(name)) for name in ("source", "row"))
        or not np.array_equal(block.column("sample").to_numpy(), places)
    ):
        raise VerificationError(
            f"{path}: rows {start + 1:,} to {start + block.num_rows:,} are not the manifest's in its order; "
            "score it again"
        )
    losses, tokens = block.column("loss").to_numpy(), block.column("tokens").to_numpy()
    if np.isinf(losses).any() or (losses < 0).any() or (tokens > _MOST_TOKENS).any() or (tokens < 1).any():
        raise VerificationError(
            f"{path}: rows {start + 1:,} to {start + block.num_rows:,}: a loss that is infinite or below 0, or a "
            "trace of no tokens; score it again"
        )
    return digest


def _digest(block: pa.Table) -> str:
    losses = pc.fill_null(block.column("loss"), np.nan)
    return block_digest(SCORES, block.set_column(block.num_columns - 1, "loss", losses))
