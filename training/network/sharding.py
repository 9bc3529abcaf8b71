"""A frozen base that does not lie whole on every device: each has a share, and gathers a layer when it computes it.

This is the third stage of ZeRO (Rajbhandari et al., arXiv:1910.02054), also called FSDP, for the layers' matrices;
embedding, norms and adapter stay whole on every device. It frees memory and fills the links: a layer is gathered for
its forward pass and again for its backward pass.
"""

from typing import Any

import jax
from flax import nnx
from jax.sharding import PartitionSpec

AXIS = "data"  # of the mesh: every device has rows of its own, and where they are cut, a share of the layers
REPLICATED, SHARDED = "replicated", "sharded"
TUNIX_AXIS = "fsdp"  # how Tunix's models mark the axis of a tensor that is cut


def base_specs(state: Any, *, sharded: bool) -> Any:
    """How the variables of a network's state lie on the devices: a spec in the place of each array."""

    def spec(path: tuple[Any, ...], variable: Any) -> Any:
        cut = _cut_axis(variable) if sharded and path[0] == "layers" else None
        return variable.replace(_spec(cut))

    return nnx.map_state(spec, state)


def gathered(state: Any) -> Any:
    """A layer's state, whole, from the share of it that a device has. Inside `shard_map`."""

    def whole(_path: tuple[Any, ...], variable: Any) -> Any:
        cut = _cut_axis(variable)
        if cut is None:
            return variable
        array = jax.lax.all_gather(variable.get_value(), AXIS, axis=cut, tiled=True)
        return variable.replace(array)

    return nnx.map_state(whole, state)


def cut_sizes(state: Any) -> set[int]:
    """The sizes that the number of devices has to divide."""
    flat = ((path, variable, _cut_axis(variable)) for path, variable in nnx.to_flat_state(state))
    return {
        variable.get_value().shape[cut]
        for path, variable, cut in flat
        if path[0] == "layers" and cut is not None
    }


def _cut_axis(variable: Any) -> int | None:
    """The axis that Tunix cuts a frozen matrix on."""
    marks = variable.get_metadata().get("out_sharding")
    if isinstance(variable, nnx.LoRAParam) or not isinstance(marks, tuple) or TUNIX_AXIS not in marks:
        return None
    return marks.index(TUNIX_AXIS)


def _spec(cut: int | None) -> PartitionSpec:
    return PartitionSpec() if cut is None else PartitionSpec(*[None] * cut, AXIS)  # type: ignore[no-untyped-call]
