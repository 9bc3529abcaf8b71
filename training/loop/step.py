"""The step that is compiled: adapter and optimizer in and out in place, the frozen base only in.

`nnx.jit` would hand every array of its modules back, the base too: gigabytes copied at each step.
"""

from typing import Any

import jax
from flax import nnx

from training.loop.computation import Computation
from training.loop.update import Inputs, Optimizer, State, Updated, split_network, update
from training.network.gemma import Network


class Step:
    """Updates the adapter of `network` and the state of `optimizer` in place; compiled at the first call.

    What is lowered and traced for a machine that is not here is the same function.
    """

    def __init__(self, network: Network, optimizer: Optimizer, computation: Computation) -> None:
        graph, _, frozen = split_network(network)
        optimizer_graph, _ = nnx.split(optimizer)

        def step(trained: tuple[State, State], frozen: State, inputs: Inputs) -> tuple[Any, Updated]:
            adapter, moments = trained
            network: Network = nnx.merge(graph, adapter, frozen)
            optimizer: Optimizer = nnx.merge(optimizer_graph, moments)
            updated = update(network, optimizer, inputs, computation)
            return (nnx.state(network, nnx.LoRAParam), nnx.state(optimizer)), updated

        self.compiled_as = jax.jit(step, donate_argnums=0)
        self._network, self._optimizer, self._frozen = network, optimizer, frozen

    def __call__(self, inputs: Inputs) -> Updated:
        """One update."""
        (adapter, moments), updated = self.compiled_as(*self.arguments(inputs))
        nnx.update(self._network, adapter)
        nnx.update(self._optimizer, moments)
        result: Updated = updated
        return result

    def arguments(self, inputs: Inputs) -> tuple[tuple[State, State], State, Inputs]:
        """What the compiled function is called with: what changes, what does not, and the batch."""
        trained = nnx.state(self._network, nnx.LoRAParam), nnx.state(self._optimizer)
        return trained, self._frozen, inputs
