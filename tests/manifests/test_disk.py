"""The I/O edge: what is durable when, and what is never overwritten."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import disk
from tests.manifests.helpers import files_below

Event = int | str


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is flushed to the disk (by inode) and what gets its name, in the order in which it really happens."""
    seen: list[Event] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_ino)
        real_fsync(descriptor)

    def noting(real: Callable[..., None]) -> Callable[..., None]:
        def named(*paths: object) -> None:
            seen.append("named")
            real(*paths)

        return named

    monkeypatch.setattr(os, "fsync", fsync)
    for function in ("rename", "replace", "link"):
        monkeypatch.setattr(os, function, noting(getattr(os, function)))
    return seen


def inodes(*paths: Path) -> set[Event]:
    return {path.stat().st_ino for path in paths}


def test_a_folder_is_on_the_disk_before_it_gets_its_name_and_the_name_after(
    events: list[Event], tmp_path: Path
) -> None:
    staged = tmp_path / "staged"
    (staged / "data").mkdir(parents=True)
    (staged / "data" / "one").write_text("1")
    (staged / "two").write_text("2")
    assert disk.move_into_place(staged, tmp_path / "target")
    named = events.index("named")
    assert set(events[:named]) == inodes(tmp_path / "target", *(tmp_path / "target").rglob("*"))
    assert events[named + 1 :] == list(inodes(tmp_path))


@pytest.mark.parametrize("write", [disk.write_once, disk.replace_file])
def test_a_file_is_on_the_disk_before_it_gets_its_name_and_the_name_after(
    write: Callable[[Path, bytes], object], events: list[Event], tmp_path: Path
) -> None:
    write(tmp_path / "file", b"data")
    assert events == [*inodes(tmp_path / "file"), "named", *inodes(tmp_path)]


def test_a_file_is_written_once(tmp_path: Path) -> None:
    assert disk.write_once(tmp_path / "1", b"first")
    assert not disk.write_once(tmp_path / "1", b"second")
    assert files_below(tmp_path) == {"1": b"first"}


def test_a_staging_folder_is_hidden_and_gone_at_the_end_whatever_happens(tmp_path: Path) -> None:
    def interrupted() -> None:
        with disk.staging(tmp_path / "deep" / "er") as folder:
            assert folder.name.startswith(".")
            (folder / "half").write_text("written")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "deep" / "er").iterdir()) == []


def test_a_folder_is_never_moved_over_another(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert not disk.move_into_place(tmp_path / "one", tmp_path / "other")
    assert files_below(tmp_path) == {"one/one": b"one", "other/other": b"other"}
    assert disk.move_into_place(tmp_path / "one", tmp_path / "third")
    assert files_below(tmp_path) == {"third/one": b"one", "other/other": b"other"}


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        disk.replace_file(tmp_path / "file", data)
        assert files_below(tmp_path) == {"file": data}


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_the_digest_of_a_file_is_that_of_all_its_bytes(size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(size))
    digests = {0: "e3b0c442", 1: "6e340b9c", 1 << 20: "30e14955", (1 << 20) + 1: "2cb74edb"}
    observed = disk.sha256_file(tmp_path / "file")
    assert observed[0] == size
    assert observed[1].startswith(digests[size])
