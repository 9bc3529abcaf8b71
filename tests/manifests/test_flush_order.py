"""What a publisher flushes to the disk, and when: before a name is given what it stands for, after it the name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.manifests.fire import EVERYTHING, Publishers, at_call, need_strace
from tests.manifests.fire_store import Undisturbed

PATH = r"\d+<([^>]*)>"
CALLS = {
    "flush": re.compile(rf"f(?:data)?sync\({PATH}\)"),
    "write": re.compile(rf"(?:p?writev?(?:64)?|ftruncate|fallocate)\({PATH}"),
    "make": re.compile(r'openat\([^"]*"([^"]*)", [^)]*O_CREAT'),
    "read": re.compile(r'openat\([^"]*"([^"]*)", O_RDONLY'),
    "folder": re.compile(r'mkdir\("([^"]*)"'),
    "name": re.compile(r'(?:rename|link)(?:at2?)?\([^"]*"[^"]*", [^"]*"([^"]*)"'),
}
NAMED = re.compile(r'(?:rename|link)(?:at2?)?\([^"]*"([^"]*)"')


@dataclass(frozen=True)
class Event:
    """A system call that did its work, and the path that it was about; of one that names, the path before."""

    kind: str
    path: str
    before: str = ""


class History:
    """What a publisher did, in order."""

    def __init__(self, log: str, root: Path) -> None:
        self.root = str(root)
        self.events = list(_events(log))

    def at(self, *kinds: str, path: str) -> list[int]:
        """When something of these kinds was done to a path."""
        return [when for when, event in enumerate(self.events) if event.kind in kinds and event.path == path]

    def namings(self) -> list[int]:
        """When something got the name by which readers find it."""
        return [
            when
            for when, event in enumerate(self.events)
            if event.kind == "name" and event.path.startswith(self.root) and "/.staging-" not in event.path
        ]

    def made_below(self, path: str) -> set[str]:
        """What was made in a folder, and the folder or file itself."""
        made = {event.path for event in self.events if event.kind in ("make", "folder")}
        return {one for one in made if one == path or one.startswith(f"{path}/")}

    def last_change(self, path: str, end: int) -> int:
        """When a file was last written, or something was last made in a folder, before `end`."""
        changes = [
            when
            for when, event in enumerate(self.events[:end])
            if (event.kind in ("write", "make") and event.path == path)
            or (event.kind in ("make", "folder") and event.path.rpartition("/")[0] == path)
        ]
        return max(changes, default=-1)


def _events(log: str) -> Iterator[Event]:
    for line in log.splitlines():
        call = re.sub(r"^\d+ +", "", line)
        if re.search(r"= -1 E", call):
            continue
        for kind, pattern in CALLS.items():
            if found := pattern.match(call):
                before = NAMED.match(call)
                yield Event(kind, found[1], before[1] if before else "")
                break


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    need_strace()
    return Undisturbed.in_folder(tmp_path_factory.mktemp("order"))


@pytest.fixture(scope="module")
def histories(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Sequence[History]:
    """A publish into a store that is not there yet, and the same once more."""
    folder = tmp_path_factory.mktemp("traced")
    publishers = Publishers(folder, undisturbed.recipe)
    options = ["-f", "-y", "-s", "4096", *at_call(0, EVERYTHING, "")]
    try:
        logs = [publishers.publish(folder / "deep" / "store", *options).log for _ in range(2)]
    finally:
        publishers.close()
    return [History(log, folder / "deep" / "store") for log in logs]


@pytest.fixture
def history(histories: Sequence[History]) -> History:
    return histories[0]


def test_dataset_manifest_hint_and_name_get_their_places_in_this_order(history: History) -> None:
    places = [
        history.events[when].path.removeprefix(history.root).split("/")[1] for when in history.namings()
    ]
    assert places == ["datasets", "manifests", "local", "refs"]


def test_whatever_gets_its_name_was_flushed_after_its_last_change(history: History) -> None:
    flushed = []
    for when in history.namings():
        for path in history.made_below(history.events[when].before):
            if (path.endswith(".spill")) or not history.last_change(path, when):
                continue
            flushes = history.at("flush", path=path)
            assert any(history.last_change(path, when) < flush < when for flush in flushes), path
            flushed.append(path.rpartition("/")[2])
    assert {"rows.parquet", "rejects.parquet", "manifest.json", "receipt.json"} <= set(flushed)
    assert {"README.md", "data", "train-00000-of-00001.parquet", "1"} <= set(flushed)
    assert len(flushed) == 11, "5 of the manifest, 4 of the dataset, the hint, the name"


def test_what_is_published_was_read_back_after_it_was_flushed(history: History) -> None:
    for when in history.namings()[:2]:
        for path in history.made_below(history.events[when].before):
            if path.endswith((".parquet", ".json")):
                flush = min(history.at("flush", path=path))
                assert any(flush < read < when for read in history.at("read", path=path)), path


def test_a_name_is_flushed_before_the_next_is_given(history: History) -> None:
    ends = [*history.namings()[1:], len(history.events)]
    for when, end in zip(history.namings(), ends, strict=True):
        parent = history.events[when].path.rpartition("/")[0]
        assert any(when < flush < end for flush in history.at("flush", path=parent)), parent


def test_the_folders_of_the_store_are_flushed_before_a_name_is_given_in_them(history: History) -> None:
    made = [
        event.path for event in history.events if event.kind == "folder" and "/.staging-" not in event.path
    ]
    names = [path.removeprefix(str(Path(history.root).parent)) for path in made]
    assert names == [
        "",
        "/store",
        "/store/datasets",
        "/store/manifests",
        "/store/local",
        "/store/refs",
        "/store/refs/mix",
    ]
    for path in made:
        begin = history.at("folder", path=path)[0]
        end = next(when for when in history.namings() if history.events[when].path.startswith(f"{path}/"))
        parent = path.rpartition("/")[0]
        assert any(begin < flush < end for flush in history.at("flush", path=parent)), path


def test_who_finds_everything_published_flushes_the_names_all_the_same(histories: Sequence[History]) -> None:
    """Whoever published it may have died before that."""
    again = histories[1]
    folders = ("", "/datasets", "/manifests", "/local", "/refs", "/refs/mix")
    for path in (str(Path(again.root).parent), *(f"{again.root}{folder}" for folder in folders)):
        assert again.at("flush", path=path), path
    assert [again.events[when].path.rpartition("/")[0] for when in again.namings()] == [f"{again.root}/local"]
