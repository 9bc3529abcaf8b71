"""What a run's folder promises: whole or not there, one process at a time, and the first difference by name."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest

from training.errors import RunFolderError
from training.runs.folder import (
    FORMAT,
    Record,
    check_file,
    check_same,
    create_run,
    encoded,
    locked,
    open_run,
    read_record,
    read_table,
    write_record,
)

RECORD: Record = {
    "format": FORMAT,
    "manifest": "m",
    "tokenizer": "t",
    "model": "tiny",
    "settings": {"seed": 1},
    "continued_from": None,
}


def test_a_new_run_is_there_with_its_tables_and_record(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2]})
    record = create_run(tmp_path / "deep" / "run", RECORD, {"plan.parquet": table}, b"pieces")
    assert read_record(tmp_path / "deep" / "run") == record
    assert read_table(tmp_path / "deep" / "run", record, "plan.parquet") == table
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run"]


def test_an_empty_folder_becomes_the_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert open_run(tmp_path / "run", RECORD) is None
    create_run(tmp_path / "run", RECORD, {}, b"pieces")
    assert open_run(tmp_path / "run", RECORD) is not None


def test_a_folder_that_was_filled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "theirs").touch()
    with pytest.raises(RunFolderError, match="filled by somebody else"):
        create_run(tmp_path / "run", RECORD, {}, b"pieces")
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "theirs"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"manifest": "x"}, 'manifest = "m", asked for "x"'),
        ({"settings": {"seed": 2}}, "settings.seed = 1, asked for 2"),
        ({"continued_from": {"plan": "p"}}, 'continued_from.plan = null, asked for "p"'),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, asked: dict[str, object], named: str) -> None:
    with pytest.raises(RunFolderError) as caught:
        check_same(tmp_path, RECORD, {**RECORD, **asked})
    assert named in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_record_that_can_not_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"run\.json"):
        open_run(tmp_path, RECORD)


def test_a_record_says_its_own_digest_so_that_any_edit_is_noticed(tmp_path: Path) -> None:
    write_record(tmp_path, {**RECORD, "cursor": 20, "loss": 1 / 3})
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"cursor": 20', '"cursor": 10'))
    with pytest.raises(
        RunFolderError, match=r"run\.json: damaged or edited \(SHA-256 \w{64}, it says \w{64}\)"
    ):
        read_record(tmp_path)


def test_a_record_that_is_only_laid_out_otherwise_is_the_same(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert read_record(tmp_path) == RECORD


def test_every_part_of_a_record_cut_off_is_noticed(tmp_path: Path) -> None:
    data = encoded(RECORD)
    for end in range(len(data) - 2):
        (tmp_path / "run.json").write_bytes(data[:end])
        with pytest.raises(RunFolderError, match=r"run\.json"):
            read_record(tmp_path)


def test_the_tokenizer_is_copied_and_its_sha_256_recorded(tmp_path: Path) -> None:
    record = create_run(tmp_path / "run", RECORD, {}, b"pieces")
    path = check_file(tmp_path / "run", record, "tokenizer.model")
    assert path.read_bytes() == b"pieces"
    assert record["files"] == {"tokenizer.model": hashlib.sha256(b"pieces").hexdigest()}
    path.write_bytes(b"Pieces")
    with pytest.raises(RunFolderError, match="the run is damaged"):
        check_file(tmp_path / "run", record, "tokenizer.model")
    path.unlink()
    with pytest.raises(RunFolderError, match="the run is damaged"):
        check_file(tmp_path / "run", record, "tokenizer.model")


def test_a_file_where_a_run_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunFolderError):
        open_run(tmp_path / "run", RECORD)


def test_a_table_that_changed_is_refused(tmp_path: Path) -> None:
    record = create_run(tmp_path / "run", RECORD, {"plan.parquet": pa.table({"a": [1]})}, b"pieces")
    path = tmp_path / "run" / "plan.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RunFolderError, match="the run is damaged"):
        read_table(tmp_path / "run", record, "plan.parquet")


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(RunFolderError, match="another process trains in it"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    write_record(tmp_path, {**RECORD, "status": "finished"})
    assert read_record(tmp_path)["status"] == "finished"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
