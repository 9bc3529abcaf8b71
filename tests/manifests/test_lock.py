"""Who may be at work in a store: publishers share it, one who cleans up has it alone, readers don't ask."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from curation.workers.local import LocalWorkers
from manifests.errors import BusyStoreError, StoreError
from manifests.garbage import collect_garbage
from manifests.lock import exclusive
from manifests.publish import publish_name, publishing
from manifests.store import Store
from tests.manifests.crowd import open_locks, publish_locked
from tests.manifests.fire import need_strace
from tests.manifests.helpers import ROOT, files_below, parts_of, read_only, run_held_to_permissions, traces

PARTS = parts_of(traces(3))
A = PARTS.identity.id

PUBLISH_A_NAME = (
    "import sys; from pathlib import Path; from manifests.publish import publish_name\n"
    f"from manifests.store import Store; publish_name(Store(Path(sys.argv[1]), behind=()), 'other', {A!r})"
)


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


def test_nobody_cleans_up_while_somebody_publishes(store: Store) -> None:
    with publishing(store) as publisher, publisher.staging("manifests") as staged:
        (staged / "half").write_text("written")
        before = files_below(store.root)
        with pytest.raises(BusyStoreError, match="somebody publishes"):
            collect_garbage(store)
        with pytest.raises(BusyStoreError):
            collect_garbage(store, dry_run=True)
        assert files_below(store.root) == before
    assert BusyStoreError.exit_status == 1
    assert collect_garbage(store) == ()


def test_publishers_share_a_store_and_one_may_come_in_twice(store: Store) -> None:
    with publishing(store), publishing(store):
        publish_locked(store, PARTS, "mix")
    assert store.ids() == [A]


def test_the_lock_ends_with_an_error_too(store: Store) -> None:
    with pytest.raises(KeyError), publishing(store):
        raise KeyError
    assert collect_garbage(store) == ()


def test_publishers_wait_while_somebody_cleans_up_and_tell_after_a_second(store: Store) -> None:
    told: list[str] = []

    def publish() -> None:
        with publishing(store, told.append):
            pass

    store.root.mkdir()
    waiting = Thread(target=publish)
    with exclusive(store.root, create=True):
        waiting.start()
        time.sleep(0.5)
        assert (waiting.is_alive(), told) == (True, [])
        time.sleep(1)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()
    assert told == [f"{store.root}: waiting until 'manifests gc' has cleaned up"]


def test_an_interrupt_ends_the_wait(store: Store) -> None:
    """Also with polars in the process, which has signals restart what they interrupt."""
    waits = (
        "import polars, sys\nfrom pathlib import Path\nfrom manifests.store import Store\n"
        "from manifests.publish import publishing\npolars.Series([1]).sort()\nprint('waits', flush=True)\n"
        "with publishing(Store(Path(sys.argv[1]))): pass"
    )
    store.root.mkdir()
    with (
        exclusive(store.root, create=True),
        subprocess.Popen(
            [sys.executable, "-c", waits, store.root],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=10)[1]


def test_processes_that_a_publisher_starts_don_t_hold_its_lock(store: Store) -> None:
    with publishing(store):
        assert open_locks(None, None) == [str(store.root / ".lock")]
        with LocalWorkers(2) as workers:
            assert [found for _, found in workers.ordered(open_locks, None, range(4))] == [[]] * 4


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_something_else_in_the_lock_s_place_is_one_line(kind: str, store: Store, tmp_path: Path) -> None:
    store.root.mkdir()
    lock = store.root / ".lock"
    match kind:
        case "fifo":
            os.mkfifo(lock)
        case "link":
            lock.symlink_to(tmp_path / "file")
        case _:
            lock.mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for attempt in (lambda: publish_name(store, "mix", A), lambda: collect_garbage(store)):
        with pytest.raises(StoreError, match=r"\.lock: "):
            attempt()
    assert not (tmp_path / "file").exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pipe_in_the_lock_s_place_that_may_only_be_read_holds_nobody_up(store: Store) -> None:
    store.root.mkdir()
    os.mkfifo(store.root / ".lock", 0o444)
    done = run_held_to_permissions("-c", PUBLISH_A_NAME, store.root)
    assert "StoreError" in done.stderr.splitlines()[-1]


WITHOUT_LOCKS = """
import sys
from pathlib import Path
from manifests.errors import StoreError
from manifests.garbage import collect_garbage
from manifests.store import Store
from tests.manifests.crowd import publish_locked
from tests.manifests.helpers import parts_of, traces
store = Store(Path(sys.argv[1]), behind=())
for attempt in (lambda: print(publish_locked(store, parts_of(traces(3)), "mix").id), lambda: collect_garbage(store)):
    try:
        attempt()
    except StoreError as error:
        print(error)
"""


def run_traced(options: list[str], program: str, store: Store) -> list[str]:
    """The lines that a program prints under strace, which must be all that it has to say."""
    need_strace()
    command = ["strace", "-f", *options, "-o", "/dev/null", sys.executable, "-c", program, str(store.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return str(done.stdout).splitlines()


def attempts_when_locking_fails(error: str, store: Store) -> list[str]:
    """What comes of publishing and cleaning up, a line each, where flock always fails."""
    return run_traced(["-e", "trace=flock", "-e", f"inject=flock:error={error}"], WITHOUT_LOCKS, store)


def test_a_lock_that_somebody_else_made_meanwhile_is_taken(store: Store) -> None:
    publish_name(store, "mix", A)
    missed = [
        "-P",
        str(store.root / ".lock"),
        "-e",
        "trace=openat",
        "-e",
        "inject=openat:error=ENOENT:when=1",
    ]
    assert run_traced(missed, PUBLISH_A_NAME, store) == []
    assert [version.name for version in store.versions()] == ["mix", "other"]


@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_where_the_file_system_knows_no_locks_publishing_goes_on_and_nobody_cleans_up(
    error: str, store: Store
) -> None:
    published, refused = attempts_when_locking_fails(error, store)
    assert published == A
    assert "can't be locked" in refused
    assert store.manifest("mix").id == A


def test_a_lock_that_fails_for_another_reason_is_not_taken_for_none(store: Store) -> None:
    refused = attempts_when_locking_fails("EIO", store)
    assert ["Input/output error" in line for line in refused] == [True, True]
    assert store.ids() == []


READ_EVERYTHING = """
import sys
from pathlib import Path
from manifests.dataset import total_rows
from manifests.errors import StoreError
from manifests.garbage import collect_garbage
from manifests.publish import publish_name
from manifests.store import Store
store = Store(Path(sys.argv[1]), behind=())
manifest = store.manifest("mix")
assert total_rows(store.dataset_blocks(manifest)) == 3
assert collect_garbage(store, dry_run=True) == ()
for attempt in (lambda: publish_name(store, "mix", manifest.id), lambda: collect_garbage(store)):
    try:
        attempt()
    except StoreError as error:
        print(error)
"""


def test_a_store_that_is_only_read_is_read_and_nothing_is_made_in_it(store: Store) -> None:
    publish_locked(store, PARTS, "mix")
    (store.root / ".lock").unlink()
    before = files_below(store.root)
    with read_only(store.root):
        done = run_held_to_permissions("-c", READ_EVERYTHING, store.root)
    assert done.stderr == ""
    assert done.stdout.count("can't be written") == 2
    assert files_below(store.root) == before


def test_another_user_s_lock_can_be_shared(store: Store) -> None:
    """It is a file that its owner alone may write."""
    publish_name(store, "mix", A)
    assert (store.root / ".lock").stat().st_mode & 0o444 == 0o444
    (store.root / ".lock").chmod(0o444)
    done = run_held_to_permissions("-c", PUBLISH_A_NAME, store.root)
    assert done.stderr == ""
    assert [version.name for version in store.versions()] == ["mix", "other"]
