"""Publishing: whole or not at all, whoever else publishes, whatever dies when."""

import multiprocessing
from pathlib import Path

import pytest

from manifests import disk
from manifests.dataset import total_rows
from manifests.errors import ManifestError, StoreError, VerificationError
from manifests.lock import LOCK
from manifests.manifest import read_manifest
from manifests.publish import publish_dataset, publish_manifest, publish_name, publishing
from manifests.store import Store
from tests.manifests.helpers import (
    Parts,
    damage,
    files_below,
    parts_of,
    publish,
    publish_in_rounds,
    run_python,
    traces,
    write_blocks,
)

FIRST, SECOND = parts_of(traces(3), dropped=1), parts_of(traces(3, first=9))
A, B = FIRST.identity.id, SECOND.identity.id

# Publishes once for every step there is, and dies by SIGKILL right before that step. A step is whatever Python
# asks of the file system inside the store; the audit hook sees it before it happens.
DIE_AT_EVERY_STEP = """
import os, signal, sys
from pathlib import Path
from manifests.store import Store
from tests.manifests.helpers import parts_of, publish, traces

STEPS = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir"}
parts, root = parts_of(traces(3), dropped=1), Path(sys.argv[1])

def publish_until(step):
    left, inside = [step], os.fsencode(root / str(step))

    def count(event, arguments):
        if event in STEPS and isinstance(arguments[0], (str, bytes, os.PathLike)):
            if os.fsencode(arguments[0]).startswith(inside):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    publish(Store(root / str(step), behind=()), parts)
    os._exit(0)

for step in range(1, 1000):
    child = os.fork()
    if not child:
        publish_until(step)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        print(step)
        break
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit(f"step {step}: {status}")
"""


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


def staged_names(store: Store) -> list[str]:
    """What is left of whatever was being written."""
    return [path.name for path in store.root.rglob(".*") if path.name != LOCK]


def hold_to_the_reader(store: Store) -> tuple[bool, bool, bool]:
    """Whether a reader finds dataset, manifest and name; everything that is found must be whole, and the rest empty."""
    ids, versions = store.ids(), store.versions()
    assert ids in ([], [A])
    assert [(version.number, version.id) for version in versions] in ([], [(1, A)])
    dataset = (store.root / "datasets" / A).exists()
    if ids:
        manifest = store.manifest(A)
        assert manifest.rows.equals(FIRST.rows)
        assert total_rows(store.dataset_blocks(manifest)) == 3
    return dataset, bool(ids), bool(versions)


def test_what_was_published_is_there_under_its_id_and_its_name(store: Store) -> None:
    manifest = publish(store, FIRST)
    assert manifest.folder == store.root / "manifests" / A
    assert sorted(path.name for path in manifest.folder.iterdir()) == [
        "manifest.json",
        "receipt.json",
        "rejects.parquet",
        "rows.parquet",
    ]
    assert (store.root / "refs" / "mix" / "1").read_bytes() == f"{A}\n".encode()
    assert total_rows(store.dataset_blocks(store.manifest("mix"))) == 3
    assert staged_names(store) == []


def test_a_process_killed_at_any_step_leaves_nothing_half_written_and_the_next_one_finishes(
    tmp_path: Path,
) -> None:
    done = run_python("-c", DIE_AT_EVERY_STEP, tmp_path)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    seen = []
    for step in range(1, steps + 1):
        store = Store(tmp_path / str(step), behind=())
        seen.append(hold_to_the_reader(store))
        assert publish(store, FIRST).id == A
        assert hold_to_the_reader(store) == (True, True, True)
    # The dataset comes before the manifest and the name last, so that what is named is there to be read.
    assert seen == sorted(seen)
    assert set(seen) == {(False, False, False), (True, False, False), (True, True, False), (True, True, True)}


def test_two_publishers_at_once_leave_one_manifest_and_get_the_same_id(tmp_path: Path) -> None:
    rounds = [(FIRST, FIRST)] * 20
    publish_together(tmp_path, rounds)
    for number in range(len(rounds)):
        assert [(tmp_path / f"{number}-{who}").read_text() for who in (0, 1)] == [A, A]
        store = Store(tmp_path / str(number), behind=())
        assert hold_to_the_reader(store) == (True, True, True)
        assert staged_names(store) == []


def test_two_publishers_of_different_manifests_get_a_version_each(tmp_path: Path) -> None:
    rounds = [(FIRST, SECOND)] * 10
    publish_together(tmp_path, rounds)
    for number in range(len(rounds)):
        store = Store(tmp_path / str(number), behind=())
        versions = store.versions("mix")
        assert [version.number for version in versions] == [1, 2]
        assert {version.id for version in versions} == {A, B}
        assert [total_rows(store.dataset_blocks(store.manifest(f"mix:{one}"))) for one in (1, 2)] == [3, 3]


def test_two_publishers_at_once_replace_a_damaged_dataset(tmp_path: Path) -> None:
    rounds = [(FIRST, FIRST)] * 20
    for number in range(len(rounds)):
        store = Store(tmp_path / str(number), behind=())
        publish(store, FIRST)
        damage(store.root / "datasets" / A)
    publish_together(tmp_path, rounds)
    for number in range(len(rounds)):
        store = Store(tmp_path / str(number), behind=())
        assert hold_to_the_reader(store) == (True, True, True)
        assert staged_names(store) == []


def publish_together(root: Path, rounds: list[tuple[Parts, Parts]]) -> None:
    """Two processes publish a pair each round, both at the same time."""
    spawned = multiprocessing.get_context("spawn")
    barrier = spawned.Barrier(2, timeout=20)
    both = [spawned.Process(target=publish_in_rounds, args=(root, rounds, barrier, who)) for who in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=120)
    assert [process.exitcode for process in both] == [0, 0]


def test_the_same_manifest_again_adds_no_version_and_changes_no_file(store: Store) -> None:
    publish(store, FIRST)
    before = files_below(store.root)
    assert publish(store, FIRST).id == A
    assert publish_name(store, "mix", A).number == 1
    assert files_below(store.root) == before


def test_versions_count_on_and_an_older_manifest_can_come_back(store: Store) -> None:
    assert [publish_name(store, "mix", one).number for one in (A, B, A, A, B)] == [1, 2, 3, 3, 4]
    assert [(version.number, version.id) for version in store.versions("mix")] == [
        (1, A),
        (2, B),
        (3, A),
        (4, B),
    ]
    assert publish_name(store, "other", A).number == 1


def test_a_version_that_somebody_else_took_meanwhile_is_theirs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_name(store, "mix", A)
    stale = store.versions
    answers = [[], stale("mix")]  # the first look is older than the other publisher's version
    monkeypatch.setattr(Store, "versions", lambda _store, _name: answers.pop(0))
    assert publish_name(store, "mix", B).number == 2
    assert (store.root / "refs" / "mix" / "1").read_text() == f"{A}\n"


def test_a_dataset_that_does_not_verify_is_not_published(store: Store, tmp_path: Path) -> None:
    manifest = read_manifest(FIRST.write(tmp_path))
    with publishing(store) as publisher, publisher.staging("datasets") as staged:
        write_blocks(staged, FIRST.content, manifest.id)
        damage(staged)
        with pytest.raises(VerificationError):
            publish_dataset(store, staged, manifest)
    assert not (store.root / "datasets" / A).exists()


def test_a_manifest_that_does_not_verify_is_not_published(store: Store, tmp_path: Path) -> None:
    staged = FIRST.write(tmp_path)
    (staged / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(VerificationError):
        publish_manifest(store, staged)
    assert store.ids() == []


@pytest.mark.parametrize("file", ["manifest.json", "rows.parquet", "rejects.parquet", "receipt.json"])
def test_a_damaged_manifest_that_was_here_before_is_not_passed_off_as_published(
    file: str, store: Store
) -> None:
    folder = publish(store, FIRST).folder
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(ManifestError, match="move it away and build again"):
        publish(store, FIRST)


def test_a_false_manifest_that_was_here_before_is_not_passed_off_as_published(store: Store) -> None:
    folder = publish(store, FIRST).folder
    (folder / "rows.parquet").write_bytes((publish(store, SECOND).folder / "rows.parquet").read_bytes())
    with pytest.raises(VerificationError, match="move it away and build again"):
        publish(store, FIRST)


def test_a_whole_dataset_stays_and_a_damaged_one_is_replaced(store: Store) -> None:
    manifest = publish(store, FIRST)
    dataset = store.root / "datasets" / A
    marker = dataset / "data" / "marker"
    marker.touch()
    publish(store, FIRST)
    assert marker.exists()
    damage(dataset)
    publish(store, FIRST)
    assert not marker.exists()
    assert total_rows(store.dataset_blocks(manifest)) == 3
    assert staged_names(store) == []


def test_a_dataset_is_published_where_none_was(store: Store, tmp_path: Path) -> None:
    manifest = read_manifest(FIRST.write(tmp_path))
    with disk.staging(store.root / "datasets") as staged:
        write_blocks(staged, FIRST.content, manifest.id)
        assert publish_dataset(store, staged, manifest) == store.root / "datasets" / A
    assert total_rows(store.dataset_blocks(manifest)) == 3


def test_a_store_in_a_place_that_can_t_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store", behind=())
    for attempt in (lambda: publish(store, FIRST), lambda: publish_name(store, "mix", A)):
        with pytest.raises(StoreError, match="can't be written"):
            attempt()
