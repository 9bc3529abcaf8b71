"""Clusters of Ray for tests, commands that work on them, and what is done to them."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.curation.helpers import ROOT
from tests.curation.test_workers import children_of

# A cluster of two nodes, as they would be two machines: each has a scheduler and worker processes of its own.
NODES = """
import sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": int(sys.argv[1])}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=2)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
AT_WORK = (b"ray::_answer", b"ray::_buckets", b"ray::_repeated")  # processes that do our tasks


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def running_cluster(client_port: int) -> Iterator[tuple[str, int]]:
    """The address of a cluster, and the process that everything of it hangs on."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", NODES, str(client_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = next(line for line in process.stdout if line[0].isdigit()).strip()
    yield address, process.pid
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def start(
    *arguments: str | Path,
    folder: Path | None = None,
    modules: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> "subprocess.Popen[str]":
    """A command of curation, in a process of its own that stands in a folder."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "curation", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(modules), **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    *arguments: str | Path,
    folder: Path | None = None,
    modules: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same, waited for."""
    with start(*arguments, folder=folder, modules=modules, variables=variables) as process:
        out, said = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, said)


def built(
    *arguments: str | Path, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> str:
    """The id that a build gives."""
    done = run("build", *arguments, "--json", folder=folder, variables=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{"), done.stdout
    identifier: str = json.loads(done.stdout)["id"]
    return identifier


def ray_workers(process: int, names: tuple[bytes, ...] = AT_WORK) -> list[int]:
    """The worker processes below a process that are at work on our tasks."""
    found = []
    for child in children_of(process):
        found += ray_workers(child, names)
        try:
            name = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(names):
            found.append(child)
    return found


@contextmanager
def killing(
    process: int, most: int, seconds: float, names: tuple[bytes, ...] = AT_WORK
) -> Iterator[set[int]]:
    """Kill a worker at work below a process every few seconds, up to so many: those that were."""
    killed: set[int] = set()
    over = threading.Event()

    def kill() -> None:
        while not over.wait(seconds) and len(killed) < most:
            for worker in ray_workers(process, names)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.add(worker)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


class Line(socketserver.ThreadingTCPServer):
    """A line to a port of this machine, which can be cut. A context manager."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.ends: list[socket.socket] = []
        self.to = port
        super().__init__(("127.0.0.1", 0), _Passing)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it begins."""
        port: int = self.socket.getsockname()[1]
        return port

    def cut(self) -> None:
        """Nothing comes through any more, and nobody answers."""
        self.shutdown()
        self.server_close()
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Passing(socketserver.BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            self.server.ends += [self.request, there]
            back = threading.Thread(target=_pass, args=(there, self.request), daemon=True)
            back.start()
            _pass(self.request, there)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def at_work_for(process: int, seconds: float) -> bool:
    """Whether workers below a process are at work now and were some time ago."""
    before = ray_workers(process)
    time.sleep(seconds)
    return bool(before) and bool(ray_workers(process))
