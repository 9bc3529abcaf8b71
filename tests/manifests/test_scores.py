"""What scores promise: they join their manifest row by row, or are refused in one line, whoever made the file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.cli import main
from manifests.errors import CommandError, StoreError, VerificationError, ZeroCostError
from manifests.manifest import Manifest
from manifests.scores import DIGEST, MANIFEST, read_scores, scores_lines, write_scores
from manifests.store import Store
from tests.manifests.helpers import build_manifest, traces, write_jsonl

TOKENS = np.array([10, 20, 30, 40, 10, 10, 10, 10, 10, 10, 10, 10])
LOSSES = np.array([2.0, 1.0, np.nan, 1.5, 0.5, 0.5, 0.6, 0.4, 0.5, 9.0, 0.5, 0.55])
TOLD = {"model": "tiny", "adapter": "ab" * 32}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the manifests mix, four rows of one source and eight of another, apart, and many."""
    folder = tmp_path_factory.mktemp("scores")
    first = write_jsonl(folder / "first.jsonl", traces(4))
    second = write_jsonl(folder / "second.jsonl", traces(8, first=50))
    build_manifest(folder / "store", "mix", {"first": first, "second": second})
    for name, rows in (("apart", traces(12, first=90)), ("many", traces(200, first=500))):
        build_manifest(folder / "store", name, {name: write_jsonl(folder / f"{name}.jsonl", rows)})
    return Store(folder / "store", behind=())


@pytest.fixture(scope="module")
def mix(store: Store) -> Manifest:
    return store.manifest("mix")


@pytest.fixture
def file(mix: Manifest, tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    write_scores(path, mix, TOKENS, LOSSES, TOLD)
    return path


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], **metadata: str) -> None:
    """Write the file again as somebody else could: other values, the same metadata but for these."""
    table = pq.read_table(path)
    told = {
        **table.schema.metadata,
        **{f"zerocost.{name}".encode(): value for name, value in metadata.items()},
    }
    pq.write_table(change(table).replace_schema_metadata(told), path)


def column(name: str, values: pa.Array) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, values)


def test_scores_come_back_as_they_were_written(mix: Manifest, file: Path) -> None:
    scores = read_scores(file, mix)
    assert np.array_equal(scores.losses, LOSSES, equal_nan=True)
    assert scores.tokens.tolist() == TOKENS.tolist()
    assert scores.rows.tolist() == mix.rows.column("row").to_pylist()
    assert [scores.names[source] for source in scores.sources] == ["first"] * 4 + ["second"] * 8
    assert scores.told.items() >= TOLD.items()


def test_a_loss_that_is_missing_is_null_in_the_file(file: Path) -> None:
    table = pq.read_table(file)
    assert table.column("loss").to_pylist()[2] is None
    assert table.column("sample").to_pylist() == list(range(1, 13))
    assert table.schema.metadata[MANIFEST.encode()].decode()


def test_the_bytes_of_a_file_are_those_of_its_scores(mix: Manifest, file: Path, tmp_path: Path) -> None:
    write_scores(tmp_path / "again", mix, TOKENS, LOSSES, TOLD)
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_show_ranks_the_sources_and_lists_the_outliers(
    store: Store, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["show", "mix", "--store", str(store.root), "--scores", str(file)]
    assert main([*command, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["scores"]
    assert [source["source"] for source in shown["sources"]] == ["second", "first"]
    first = shown["sources"][1]
    assert (first["traces"], first["scored"], first["tokens"]) == (4, 3, 70)
    assert first["mean"] == pytest.approx((20 + 20 + 60) / 70)
    assert shown["outliers"] == 1
    [outlier] = shown["farthest"]
    assert (outlier["sample"], outlier["source"], outlier["row"], outlier["loss"]) == (10, "second", 6, 9.0)
    assert shown["of"] == TOLD
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["10", "second:6"] and "loss 9.0000" in line for line in lines)
    assert any("11 of 12 traces scored" in line for line in lines)


def test_show_without_scores_says_nothing_of_them(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "mix", "--store", str(store.root), "--json"]) == 0
    assert "scores" not in json.loads(capsys.readouterr().out)


def test_only_the_farthest_outliers_are_shown(store: Store, tmp_path: Path) -> None:
    manifest, losses = store.manifest("many"), np.full(200, 1.0)
    losses[:30] = np.arange(50, 80)
    write_scores(tmp_path / "many.parquet", manifest, np.full(200, 5), losses, {})
    scores = read_scores(tmp_path / "many.parquet", manifest)
    assert len(scores.outliers()) == 30
    assert sum("spreads\n" in f"{line}\n" for line in scores_lines(scores)) == 20


def test_a_manifest_without_a_score_is_shown(mix: Manifest, tmp_path: Path) -> None:
    write_scores(tmp_path / "none", mix, TOKENS, np.full(12, np.nan), {})
    lines = scores_lines(read_scores(tmp_path / "none", mix))
    assert "0 of 12 traces scored" in lines[0]
    assert "none scored" in lines[1]


def test_scores_of_another_manifest_are_refused(store: Store, file: Path) -> None:
    with pytest.raises(VerificationError, match=r"scores of manifest [0-9a-f]{64}, expected [0-9a-f]{64}"):
        read_scores(file, store.manifest("apart"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns("tokens"), "expected the columns"),
        (lambda table: table.slice(1), "11 rows, the manifest has 12"),
        (lambda table: table.take([1, 0, *range(2, 12)]), "are not the manifest's in its order"),
        (column("sample", pa.array([1] * 12, pa.uint64())), "are not the manifest's in its order"),
        (column("row", pa.array([1] * 12, pa.uint64())), "are not the manifest's in its order"),
        (column("source", pa.array(["first"] * 12)), "are not the manifest's in its order"),
        (column("source", pa.array(["x" * 1_000_000] * 12)), "of text, at most"),
        (column("tokens", pa.array([None] * 12, pa.uint64())), "a null where none may be"),
        (column("tokens", pa.array([0] * 12, pa.uint64())), "a trace of no tokens"),
        (column("tokens", pa.array([2**64 - 1] * 12, pa.uint64())), "a trace of no tokens"),
        (column("loss", pa.array([-1.0] * 12)), "infinite or below 0"),
        (column("loss", pa.array([np.inf] * 12)), "infinite or below 0"),
        (column("loss", pa.array([1.0] * 12)), "digest"),
        (column("loss", pa.array([1] * 12)), "expected the columns"),
    ],
)
def test_values_that_are_not_the_manifests_scores_are_refused(
    mix: Manifest, file: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    rewrite(file, change)
    with pytest.raises(VerificationError, match=message):
        read_scores(file, mix)


def test_a_file_that_says_nothing_of_itself_is_refused(mix: Manifest, file: Path) -> None:
    table = pq.read_table(file).replace_schema_metadata({})
    pq.write_table(table, file)
    with pytest.raises(VerificationError, match="not scores of a manifest"):
        read_scores(file, mix)
    pq.write_table(table.replace_schema_metadata({MANIFEST: mix.id}), file)
    with pytest.raises(VerificationError, match="it says none"):
        read_scores(file, mix)


def test_what_a_stranger_says_of_the_model_is_cut_and_not_believed(mix: Manifest, file: Path) -> None:
    rewrite(file, lambda table: table, model="\x1b[2J" + "x" * 10_000)
    assert len(read_scores(file, mix).told["model"]) == 200
    rewrite(file, lambda table: table, digest="00" * 32)
    with pytest.raises(VerificationError, match=f"digest [0-9a-f]{{64}}, it says {'00' * 32}"):
        read_scores(file, mix)
    assert DIGEST.endswith("digest")


def test_metadata_that_is_no_text_is_refused(mix: Manifest, file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"\xff": b"\xfe"}), file)
    with pytest.raises(VerificationError, match="the file is damaged"):
        read_scores(file, mix)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet", b"\x00" * 4096])
def test_a_file_that_is_no_parquet_is_refused(mix: Manifest, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(VerificationError, match="can't be read"):
        read_scores(file, mix)


def test_no_file_a_pipe_and_a_folder_are_refused_and_a_link_is_followed(
    mix: Manifest, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="there is no such file; 'training score' writes one"):
        read_scores(tmp_path / "missing", mix)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(VerificationError, match="no regular file"):
            read_scores(path, mix)
    (tmp_path / "link").symlink_to(file)
    assert read_scores(tmp_path / "link", mix).told == read_scores(file, mix).told


def test_a_flipped_bit_is_refused_or_changes_nothing(mix: Manifest, file: Path) -> None:
    whole, draw = file.read_bytes(), Random(3)
    expected, complaints = read_scores(file, mix), list[str]()
    for bit in draw.sample(range(len(whole) * 8), 200):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        try:
            found = read_scores(file, mix)
        except ZeroCostError as error:
            complaints.append(str(error))
            continue
        assert np.array_equal(found.losses, expected.losses, equal_nan=True)
        assert found.tokens.tolist() == expected.tokens.tolist()
    assert len(complaints) > 100
    assert not any("\n" in complaint for complaint in complaints)


def test_a_place_that_cannot_be_written_is_one_line(mix: Manifest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        write_scores(tmp_path / "file" / "scores", mix, TOKENS, LOSSES, {})
