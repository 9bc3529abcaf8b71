"""Which devices share a batch: data parallelism over all of them, on one host or several.

The weights are on every device; a device computes the loss of its rows. What crosses the links is the adapter's
gradient, once an update.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from training.errors import SettingsError
from training.settings import Settings

AXIS = "data"


class Devices:
    """The devices of a run. `micro_batches` is how many pieces each device's share of a batch is computed in."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """Take as many devices as divide the rows of a batch.

        Raises `SettingsError` when that leaves out devices of another host.
        """
        every = jax.devices()
        count = max(number for number in range(1, len(every) + 1) if settings.batch % number == 0)
        if count < len(every):
            if jax.process_count() > 1:
                raise SettingsError(
                    f"batch = {settings.batch} rows do not divide over {len(every)} devices of "
                    f"{jax.process_count()} hosts; use a multiple of {len(every)}"
                )
            say(f"{count} of {len(every)} devices used: {settings.batch} rows a batch divide over no more")
        self.count = count
        mesh = Mesh(np.asarray(every[:count]), (AXIS,))
        self._rows = NamedSharding(mesh, PartitionSpec(AXIS))  # type: ignore[no-untyped-call]
        self._everywhere = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        share = settings.batch // count
        at_once = max(
            rows for rows in range(1, min(settings.rows_per_device, share) + 1) if share % rows == 0
        )
        self.micro_batches = share // at_once

    def place(self, array: np.ndarray[Any, Any]) -> jax.Array:
        """An array of a batch, its rows spread over the devices; a scalar is put on each."""
        sharding = self._rows if array.ndim else self._everywhere
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    def replicate(self, module: nnx.Module) -> None:
        """Put every array of a network or an optimizer on every device."""
        state = nnx.state(module)
        nnx.update(module, jax.device_put(state, self._everywhere))

    def gather(self, array: jax.Array) -> np.ndarray[Any, Any]:
        """The whole of an array whose rows are spread over the devices, on every host."""
        if array.is_fully_addressable:
            return np.asarray(array)
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
