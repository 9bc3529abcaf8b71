"""What tests on clusters of Ray share: a cluster for each of their modules."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from curation.workers.base import Cluster
from tests.curation.clusters import free_port, running_cluster

if TYPE_CHECKING:
    from curation.workers.cluster import RayWorkers

# Clusters of Ray ask for a token; without one of ours it would be written into the user's folder.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


@pytest.fixture(scope="module")
def token() -> Iterator[None]:
    """Ray's environment: a token, and no cluster of somebody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        for name, value in TOKEN.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def client_port() -> int:
    """A port that nobody listens at until there is a cluster."""
    return free_port()


@pytest.fixture(scope="module")
def cluster(token: None, client_port: int) -> Iterator[tuple[str, int]]:
    """The address of a cluster of two nodes with two cores each, and the process that everything of it hangs on."""
    del token
    with running_cluster(client_port) as found:
        yield found


@pytest.fixture(scope="module")
def workers(cluster: tuple[str, int]) -> "Iterator[RayWorkers]":
    """Two workers of it, for the test process itself."""
    from curation.workers.cluster import RayWorkers  # noqa: PLC0415 - Ray reads the environment when it is imported

    with RayWorkers(Cluster(cluster[0], 2)) as found:
        yield found
