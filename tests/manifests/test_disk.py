"""The I/O edge: what is durable when, and what is never overwritten."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import disk
from manifests.errors import StoreError
from tests.manifests.helpers import files_below, read_only, run_held_to_permissions

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


def test_who_finds_the_name_taken_flushes_it_all_the_same(events: list[Event], tmp_path: Path) -> None:
    """Whoever gave it may have died before that."""
    (tmp_path / "file").write_text("first")
    assert not disk.write_once(tmp_path / "file", b"second")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert events[-1:] == list(inodes(tmp_path))
    events.clear()
    assert not disk.rename_into_place(tmp_path / "one", tmp_path / "other")
    assert events == ["named", *inodes(tmp_path)]


def test_folders_are_made_durably_up_to_the_one_that_holds_the_top(
    events: list[Event], tmp_path: Path
) -> None:
    store = tmp_path / "deep" / "store"
    assert disk.make_folders(store / "refs" / "mix", store) == store / "refs" / "mix"
    made = inodes(store / "refs", store, store.parent, tmp_path)
    assert set(events) == made
    events.clear()
    disk.make_folders(store / "refs" / "mix", store)
    assert set(events) == inodes(store / "refs", store, store.parent)


def test_folders_are_made_below_one_that_may_be_entered_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "closed" / "open").mkdir(parents=True)
    make = "import sys; from pathlib import Path; from manifests.disk import make_folders\n"
    make += "store = Path(sys.argv[1]); make_folders(store / 'refs', store)"
    with read_only(tmp_path / "closed", mode=0o111):
        (tmp_path / "closed" / "open").chmod(0o755)
        done = run_held_to_permissions("-c", make, tmp_path / "closed" / "open")
    assert done.stderr == ""
    assert (tmp_path / "closed" / "open" / "refs").is_dir()


def test_a_folder_that_can_t_be_looked_through_is_not_taken_for_flushed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        disk.sync_tree(tmp_path / "missing")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/file"),
            "a/file: can't be written or read (No space",
        ),
        (
            OSError(errno.ENOSPC, "Error writing bytes. Detail: full"),
            "store: can't be written or read (No space",
        ),
        (
            OSError("what a library says\nin two lines"),
            "store: can't be written or read (what a library says)",
        ),
    ],
)
def test_an_error_of_the_disk_is_one_line_with_the_path_and_the_reason(error: OSError, told: str) -> None:
    with pytest.raises(StoreError) as raised, disk.writing(Path("store")):
        raise error
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


def test_a_file_that_can_t_be_flushed_is_named(tmp_path: Path) -> None:
    """A pipe can't."""
    os.mkfifo(tmp_path / "pipe")
    keeping_it_open = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(OSError, match="Invalid argument") as raised:
            disk.sync(tmp_path / "pipe")
    finally:
        os.close(keeping_it_open)
    assert raised.value.filename == str(tmp_path / "pipe")


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
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        disk.move_into_place(tmp_path / "one", tmp_path / "file")
    (tmp_path / "file").unlink()
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
