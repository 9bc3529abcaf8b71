"""Which workers do a build."""

from contextlib import AbstractContextManager

from curation.errors import WorkerError
from curation.workers.base import Cluster, Workers
from curation.workers.local import LocalWorkers, processes_for


def choose_workers(size: int, wanted: int | Cluster | None) -> AbstractContextManager[Workers]:
    """Those who read `size` bytes: so many processes here (None: as many as it is worth), or a cluster's.

    Raises WorkerError when Ray is asked for and not installed.
    """
    if not isinstance(wanted, Cluster):
        return LocalWorkers(processes_for(size, wanted))
    try:
        from curation.workers.cluster import RayWorkers  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise WorkerError(
            "--engine ray needs Ray, which is not installed; install the extra ray: "
            "pip install 'tunix-zero-cost[ray]'"
        ) from error
    return RayWorkers(wanted)
