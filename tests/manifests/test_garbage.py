"""What `manifests gc` removes, and what it never touches."""

import json
from pathlib import Path

import pytest

from manifests.command import Parser, common_flags, run
from manifests.commands import gc
from manifests.errors import StoreError
from manifests.garbage import NO_MANIFEST, STAGED, Garbage, collect_garbage
from manifests.publish import publish_dataset, publishing
from manifests.store import Store
from tests.manifests.crowd import publish_locked
from tests.manifests.helpers import (
    files_below,
    parts_of,
    read_only,
    run_held_to_permissions,
    traces,
    write_blocks,
)

FIRST, SECOND = parts_of(traces(3), dropped=1), parts_of(traces(3, first=9))
A, B = FIRST.identity.id, SECOND.identity.id
OF_THE_DEAD = ".staging-0123456789abcdef"


@pytest.fixture
def store(store_path: Path) -> Store:
    """A store with one manifest, its dataset, a name and a hint."""
    store = Store(store_path, behind=())
    publish_locked(store, FIRST, "mix")
    write(store.root / "local" / f"{A}.json", "{}")
    return store


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_dead_publishers_had_in_the_making_is_removed_wherever_it_is(store: Store) -> None:
    whole = files_below(store.root)
    places = ["datasets", "local", "manifests", "refs/mix", "refs/other"]
    for place in places:
        write(store.root / place / OF_THE_DEAD / "data" / "half", "half")
        write(store.root / place / OF_THE_DEAD / "more", "of it")
    assert collect_garbage(store) == tuple(Garbage(f"{place}/{OF_THE_DEAD}", 9, STAGED) for place in places)
    assert files_below(store.root) == whole
    assert not any(path.name.startswith(".staging") for path in store.root.rglob("*"))
    assert collect_garbage(store) == ()


def test_a_dataset_without_a_manifest_is_removed(store: Store) -> None:
    whole = files_below(store.root)
    with publishing(store) as publisher, publisher.staging("datasets") as staged:
        manifest = publish_locked(Store(store.root.parent / "elsewhere", behind=()), SECOND, "mix")
        write_blocks(staged, SECOND.content, B)
        publish_dataset(store, staged, manifest)
    orphan = store.root / "datasets" / B
    size = sum(path.stat().st_size for path in orphan.rglob("*") if path.is_file())
    assert collect_garbage(store) == (Garbage(f"datasets/{B}", size, NO_MANIFEST),)
    assert files_below(store.root) == whole


def test_a_dataset_stays_whose_manifest_stands_in_a_store_behind(store: Store, tmp_path: Path) -> None:
    behind = Store(tmp_path / "behind", behind=())
    publish_locked(behind, SECOND, "mix")
    write(store.root / "datasets" / B / "data" / "rows", "rows")
    before = files_below(store.root)
    assert collect_garbage(Store(store.root, (behind.root,))) == ()
    assert files_below(store.root) == before
    assert files_below(behind.root)
    assert [found.path for found in collect_garbage(store)] == [f"datasets/{B}"]


def test_a_dataset_stays_whose_manifest_is_damaged(store: Store) -> None:
    for file in (store.root / "manifests" / A).iterdir():
        file.unlink()
    assert collect_garbage(store) == ()


def test_without_a_folder_of_manifests_no_dataset_is_touched(store: Store, tmp_path: Path) -> None:
    """It may be a link to a disk that is not there today."""
    (store.root / "manifests").rename(tmp_path / "moved")
    assert collect_garbage(store) == ()
    (store.root / "manifests").symlink_to(tmp_path / "nowhere")
    assert collect_garbage(store) == ()
    assert (store.root / "datasets" / A).is_dir()


def test_nothing_else_is_touched(store: Store) -> None:
    for path in (
        ".staging-of-somebody/notes",
        "notes",
        ".git/config",
        "datasets/notes",
        f"datasets/{B[:63]}/rows",
        f"datasets/{B}",
        f"datasets/.{B}/rows",
        "manifests/old/rows",
        f"manifests/{A}/.staging-inside",
        f"datasets/{A}/.staging-inside",
        "refs/notes",
        "refs/mix/.1",
    ):
        write(store.root / path, "kept")
    before = files_below(store.root)
    assert collect_garbage(store) == ()
    assert files_below(store.root) == before


def test_links_are_never_followed(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside / OF_THE_DEAD / "file", "of somebody")
    write(outside / B / "file", "of somebody")
    before = files_below(outside)
    (store.root / "refs" / "away").symlink_to(outside)
    (store.root / "datasets" / B).symlink_to(outside / B)
    (store.root / "datasets" / OF_THE_DEAD).symlink_to(outside)
    write(store.root / "manifests" / OF_THE_DEAD / "file", "")
    (store.root / "manifests" / OF_THE_DEAD / "link").symlink_to(outside)
    assert [found.path for found in collect_garbage(store)] == [
        f"datasets/{OF_THE_DEAD}",
        f"manifests/{OF_THE_DEAD}",
    ]
    assert not (store.root / "datasets" / OF_THE_DEAD).is_symlink()
    assert (store.root / "datasets" / B).is_symlink()
    for place in ("local", "datasets"):
        (store.root / place).rename(tmp_path / place)
        (store.root / place).symlink_to(outside)
    assert collect_garbage(store) == ()
    assert files_below(outside) == before


def test_a_dry_run_tells_the_same_and_removes_and_makes_nothing(store: Store) -> None:
    write(store.root / "local" / OF_THE_DEAD / "half", "half")
    (store.root / ".lock").unlink()
    before = files_below(store.root)
    told = collect_garbage(store, dry_run=True)
    assert [found.path for found in told] == [f"local/{OF_THE_DEAD}"]
    assert files_below(store.root) == before
    assert collect_garbage(store) == told


COLLECT = """
import sys
from pathlib import Path
from manifests.errors import StoreError
from manifests.garbage import collect_garbage
from manifests.store import Store
try:
    collect_garbage(Store(Path(sys.argv[1]), behind=()))
except StoreError as error:
    print(error)
"""


def test_what_can_t_be_removed_is_told_and_the_rest_is_removed(store: Store) -> None:
    for place in ("datasets", "local", "manifests"):
        write(store.root / place / OF_THE_DEAD / "half", "half")
    with read_only(store.root / "local" / OF_THE_DEAD):
        done = run_held_to_permissions("-c", COLLECT, store.root)
    stubborn = store.root / "local" / OF_THE_DEAD
    assert done.stdout == (
        f"{stubborn}: can't be removed (Permission denied); 2 of 3 could be; remove it by hand\n"
    )
    assert [found.path for found in collect_garbage(store)] == [f"local/{OF_THE_DEAD}"]


def test_folders_in_folders_without_end_are_one_line(store: Store) -> None:
    made = "import os, sys\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    deep = store.root / "local" / OF_THE_DEAD
    deep.mkdir()
    run = run_held_to_permissions("-c", f"import os; os.chdir({str(deep)!r})\n{made}")
    assert run.stderr == ""
    try:
        with pytest.raises(
            StoreError, match=r"can't be removed \((too many folders in one another|Too many open)"
        ):
            collect_garbage(store)
    finally:
        flatten(deep)
    assert [found.path for found in collect_garbage(store)] == [f"local/{OF_THE_DEAD}"]


def flatten(deep: Path) -> None:
    """Take folders out of one another, so that others can remove them."""
    for number in range(3000):
        inner = deep / "d"
        if not inner.exists():
            break
        inner.rename(deep / f"out-{number}")
        if (deep / f"out-{number}" / "d").exists():
            (deep / f"out-{number}" / "d").rename(inner)


def test_where_there_is_no_store_it_says_so_and_makes_none(store_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        collect_garbage(Store(store_path, behind=()))
    assert not store_path.exists()


def command(*arguments: object) -> int:
    parser = Parser(prog="manifests")
    gc.add(parser.add_subparsers(), [common_flags()])
    return run(parser, ["gc", *map(str, arguments)])


def test_the_command_lists_what_it_removes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    write(store.root / "local" / OF_THE_DEAD / "half", "half" * 300)
    staged = f"local/{OF_THE_DEAD}"
    assert command("--store", store.root, "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"would remove {staged}, 1,200 bytes: {STAGED}",
        "1 to remove, 1,200 bytes",
    ]
    assert command("--store", store.root, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "dry_run": False,
        "removed": [{"path": staged, "bytes": 1200, "reason": STAGED}],
        "bytes": 1200,
    }
    assert command("--store", store.root) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_the_command_says_no_while_somebody_publishes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(store):
        assert command("--store", store.root, "--json") == 1
    out, said = capsys.readouterr()
    assert (out, said.count("\n")) == ("", 1)
    assert "somebody publishes" in said
