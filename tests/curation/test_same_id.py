"""Same recipe, same files, same id; the same rows in other bytes, another id and the same content_digest."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.manifest import Manifest
from tests.curation.helpers import (
    build_mix,
    numbers_of,
    run_python,
    source,
    store_at,
    traces,
    write_recipe,
    write_traces,
)
from tests.curation.test_golden import MIX_ID, build_golden

ENVIRONMENTS = [
    {"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"},
    {"PYTHONHASHSEED": "2", "LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Kiritimati"},
    {"PYTHONHASHSEED": "3", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "1"},
]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the golden recipes were built once."""
    folder = tmp_path_factory.mktemp("golden")
    build_golden(folder)
    return folder


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=",".join)
def test_another_process_with_another_environment_builds_the_same_id(
    tmp_path: Path, golden: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "moved" / "ä [x]"
    shutil.copytree(golden, folder)
    shutil.rmtree(folder / "store" / "datasets")
    arguments = ("-m", "curation", "build", folder / "golden.toml", "--store", folder / "store", "--json")
    result = json.loads(run_python(*arguments, **environment))
    assert (result["id"], result["version"]) == (MIX_ID, 1)


def test_a_renamed_recipe_builds_the_same_id_under_the_other_name(golden: Path, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(golden, folder)
    recipe = (folder / "golden.toml").read_text(encoding="utf-8")
    (folder / "other.toml").write_text(
        recipe.replace('name = "golden"', 'name = "renamed"'), encoding="utf-8"
    )
    arguments = ("-m", "curation", "build", folder / "other.toml", "--store", folder / "store", "--json")
    result = json.loads(run_python(*arguments))
    assert (result["id"], result["name"], result["version"]) == (MIX_ID, "renamed", 1)
    assert store_at(folder / "store").resolve("renamed") == store_at(folder / "store").resolve("golden")


def test_built_in_another_folder_at_another_time_the_manifest_is_byte_for_byte_the_same(
    tmp_path: Path,
) -> None:
    manifests = []
    for name in ("a", "b"):
        write_traces(tmp_path / name / "one.jsonl", traces(50))
        manifests.append(build_mix(tmp_path / name, source("one", take={"reservoir": 20})).manifest)
    first, second = manifests
    assert first.id == second.id
    for name in ("manifest.json", "rows.parquet", "rejects.parquet"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_the_files_of_a_source_can_be_named_in_other_ways(tmp_path: Path) -> None:
    write_traces(tmp_path / "data" / "x" / "a.jsonl", traces(5))
    write_traces(tmp_path / "data" / "x" / "b.jsonl", traces(5, first=6))
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    ways = ["data/x/*", "data/x/?.jsonl", f"{tmp_path}/data/x/[ab].*", "./data/x/**", "linked/x/*.jsonl"]
    assert len({build_mix(tmp_path, source("one", way)).manifest.id for way in ways}) == 1
    # Another fixed part leaves other paths below it.
    assert (
        build_mix(tmp_path, source("one", "data/*/*")).manifest.id
        != build_mix(tmp_path, source("one", ways[0])).manifest.id
    )


def _rewritten(folder: Path, **settings: object) -> Manifest:
    """The manifest of one parquet file, rewritten in place with these settings."""
    path = folder / "one.parquet"
    pq.write_table(pq.read_table(path), path, **settings)
    return build_mix(folder, source("one", path, take={"reservoir": 30}), order="mixed").manifest


def test_parquet_rewritten_with_other_row_groups_and_compression_has_another_id_and_the_same_content_digest(
    tmp_path: Path,
) -> None:
    write_traces(tmp_path / "one.parquet", traces(100))
    manifests = [
        _rewritten(tmp_path, row_group_size=7, compression="zstd"),
        _rewritten(tmp_path, row_group_size=100, compression="snappy"),
        _rewritten(tmp_path, row_group_size=100, compression="none", use_dictionary=False, data_page_size=64),
        _rewritten(tmp_path, row_group_size=100, compression="gzip", version="1.0", store_schema=False),
    ]
    assert len({manifest.id for manifest in manifests}) == 4
    assert len({manifest.content_digest for manifest in manifests}) == 1
    assert len({manifest.identity.rows_digest for manifest in manifests}) == 1
    assert len({manifest.identity.sources[0].files[0].sha256 for manifest in manifests}) == 4


def test_a_draw_by_hash_is_bound_to_the_bytes_of_the_file(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.parquet", traces(100))
    drawn = []
    for compression in ("zstd", "snappy"):
        pq.write_table(
            pq.read_table(tmp_path / "one.parquet"), tmp_path / "one.parquet", compression=compression
        )
        entry = source("one", "one.parquet", take={"hash": 30})
        drawn.append(set(numbers_of(build_mix(tmp_path, entry).manifest)))
    assert drawn[0] != drawn[1]


def test_a_changed_byte_that_no_row_shows_is_another_id_and_the_same_content_digest(tmp_path: Path) -> None:
    path = write_traces(tmp_path / "one.jsonl", traces(5))
    before = build_mix(tmp_path, source("one")).manifest
    path.write_bytes(path.read_bytes() + b"\n")
    after = build_mix(tmp_path, source("one")).manifest
    assert after.content_digest == before.content_digest
    assert after.id != before.id


OTHER_WAY = r"""
seed = 0b1  # a comment
name = 'mix'
[[source]]
take.first = 0x3
'files' = "./one.jsonl"
"name" = 'one'
[source.columns]
answer = "answer"
prompt = "\u0070rompt"
reasoning = "reasoning"
"""


def test_a_recipe_written_in_another_way_is_the_same(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    recipe = write_recipe(tmp_path / "a.toml", source("one", take={"first": 3}), seed=1)
    other = tmp_path / "b.toml"
    other.write_text(OTHER_WAY, encoding="utf-8")
    store = store_at(tmp_path / "store")
    assert build(read_recipe(recipe), store).manifest.id == build(read_recipe(other), store).manifest.id
