"""A table of a manifest that is read again must still be the one that was verified."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import VerificationError
from manifests.manifest import read_manifest
from tests.manifests.helpers import parts_of, traces


@pytest.mark.parametrize("rows", [[0, 1, 2, 4, 3], [0, 1, 2, 3]])
def test_a_table_that_was_exchanged_after_it_was_verified_is_refused(rows: list[int], tmp_path: Path) -> None:
    manifest = read_manifest(parts_of(traces(5)).write(tmp_path))
    path = manifest.folder / "rows.parquet"
    pq.write_table(pq.read_table(path).take(pa.array(rows)), path)
    with pytest.raises(VerificationError, match="it changed while it was being read"):
        list(manifest.row_blocks())


def test_a_block_that_a_table_does_not_have_can_not_be_asked_for(tmp_path: Path) -> None:
    manifest = read_manifest(parts_of(traces(5)).write(tmp_path))
    with pytest.raises(IndexError):
        list(manifest.row_blocks([1]))
