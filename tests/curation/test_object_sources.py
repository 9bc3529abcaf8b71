"""Sources in an object store, against a local S3 server."""

from pathlib import Path

from tests.curation.helpers import build_mix, source, traces, write_traces
from tests.object_server import Bucket, bucket, object_server

__all__ = ["bucket", "object_server"]


def test_a_bucket_and_a_folder_with_the_same_bytes_give_the_same_id(bucket: Bucket, tmp_path: Path) -> None:
    files = tmp_path / "here"
    for number, ending in enumerate(("parquet", "jsonl", "json", "csv", "tsv")):
        write_traces(files / f"part-{number}" / f"rows.{ending}", traces(10, 100 * number + 1))
    there = bucket.put_folder(files, "upstream/v1")
    local = build_mix(tmp_path / "local", source("one", f"{files}/**/rows.*"))
    remote = build_mix(tmp_path / "remote", source("one", f"{there}/**/rows.*"))
    assert remote.manifest.id == local.manifest.id
