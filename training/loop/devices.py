"""Which devices share a batch: data parallelism over all of them, on one host or several.

A device computes the loss of its rows. The weights are whole on every device, or the layers' cut over all of them
(`placement`). What crosses the links is the adapter's gradient, once an update, and layers that are cut.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from training.errors import SettingsError
from training.loop.computation import CHUNKED, DENSE, EVERYWHERE, ROWS, SPLASH, Computation
from training.network.gemma import Network
from training.network.remat import NONE
from training.network.sharding import AXIS, REPLICATED, SHARDED, base_specs, cut_sizes
from training.settings import Settings

ATTENTION = {"tpu": SPLASH, "gpu": CHUNKED}  # by the platform of the devices; dense on the CPU


class Devices:
    """The devices of a run, and how they compute its steps."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], every: Sequence[Any] | None = None
    ) -> None:
        """Take as many devices of `every` (default: all there are) as divide the rows of a batch.

        Raises `SettingsError` when that leaves out devices of another host, and for a sharded base without remat.
        """
        if settings.placement == SHARDED and settings.remat == NONE:
            raise SettingsError(
                f"placement = {SHARDED} with remat = {NONE}: every gathered layer would be kept; set another remat"
            )
        every = jax.devices() if every is None else every
        count = max(number for number in range(1, len(every) + 1) if settings.batch % number == 0)
        if count < len(every):
            if jax.process_count() > 1:
                raise SettingsError(
                    f"batch = {settings.batch} rows do not divide over {len(every)} devices of "
                    f"{jax.process_count()} hosts; use a multiple of {len(every)}"
                )
            say(f"{count} of {len(every)} devices used: {settings.batch} rows a batch divide over no more")
        self.count = count
        share = settings.batch // count
        at_once = max(
            rows for rows in range(1, min(settings.rows_per_device, share) + 1) if share % rows == 0
        )
        self.computation = Computation(
            mesh=Mesh(np.asarray(every[:count]), (AXIS,)),
            micro_batches=share // at_once,
            precision=settings.precision,
            attention=ATTENTION.get(every[0].platform, DENSE),
        )
        self._rows = NamedSharding(self.computation.mesh, ROWS)
        self._everywhere = NamedSharding(self.computation.mesh, EVERYWHERE)

    def place(self, array: np.ndarray[Any, Any]) -> jax.Array:
        """An array of a batch, its rows spread over the devices; a scalar is put on each."""
        sharding = self._rows if array.ndim else self._everywhere
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    def replicate(self, module: nnx.Module | nnx.Optimizer[Any]) -> None:
        """Put every array of an optimizer on every device."""
        state = nnx.state(module)
        nnx.update(module, jax.device_put(state, self._everywhere))

    def shardings(self, network: Network) -> Any:
        """How the arrays of a network lie on the devices. Raises `SettingsError` for sizes that can't be cut so."""
        state, count = nnx.state(network), self.count
        if network.sharded and (odd := [size for size in cut_sizes(state) if size % count]):
            raise SettingsError(
                f"placement = {SHARDED}: {count} devices do not divide {odd[0]}; use placement = {REPLICATED}"
            )
        specs = base_specs(state, sharded=network.sharded)
        return jax.tree.map(lambda spec: NamedSharding(self.computation.mesh, spec), specs)

    def place_network(self, network: Network) -> None:
        """Put a network on the devices: its layers as the settings say, all else on every device."""
        nnx.update(network, jax.device_put(nnx.state(network), self.shardings(network)))

    def gather(self, array: jax.Array) -> np.ndarray[Any, Any]:
        """The whole of an array whose rows are spread over the devices, on every host."""
        if array.is_fully_addressable:
            return np.asarray(array)
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
