"""The loss of single traces under a model: what held-out losses and scores are made of."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from flax import nnx

from training.batches.plan import Batches
from training.batches.traces import Batch
from training.loop.devices import Devices
from training.loop.update import in_precision, losses_in_pieces
from training.network.gemma import Network


class TraceLoss(NamedTuple):
    """A trace's place in the manifest, from 1; its trained tokens; and the sum of their losses, in nats."""

    sample: int
    tokens: int
    total: float


@dataclass(frozen=True)
class HeldOut:
    """The mean loss of the held-out traces' trained tokens, in nats: over all, and by source."""

    loss: float
    by_source: dict[str, float]


class Evaluator:
    """Computes losses of a plan's traces. `batch_of` gives the batch of each step of `batches`."""

    def __init__(self, batches: Batches, batch_of: Callable[[int], Batch], devices: Devices) -> None:
        self._batches = batches
        self._batch_of = batch_of
        self._devices = devices
        computation = devices.computation
        # It only reads the network; with updates, nnx would hand a copy of every array back.
        self._losses = nnx.jit(
            lambda network, *arrays: losses_in_pieces(
                in_precision(network, computation.precision), arrays, computation
            ),
            graph_updates=False,
        )

    def trace_losses(self, network: Network) -> Iterator[TraceLoss]:
        """The loss of every trace, in the order of the batches."""
        for step in range(1, self._batches.steps + 1):
            batch = self._batch_of(step)
            placed = (self._devices.place(array) for array in batch[:3])
            losses = np.asarray(self._devices.gather(self._losses(network, *placed)), dtype=np.float64)
            lines = self._batches.lines(step)
            columns = (lines[name] for name in ("row", "sample", "loss_start", "loss_end"))
            for row, sample, start, end in zip(*columns, strict=True):
                # The loss of a token stands at the place before it, which predicts it.
                of_trace = losses[row - 1, start - 1 : end - 1]
                yield TraceLoss(int(sample), int(end - start), math.fsum(of_trace))

    def held_out(self, network: Network, source_of: Callable[[int], str]) -> HeldOut | None:
        """The losses by source, weighted by token; None when nothing is held out."""
        sums: dict[str, list[TraceLoss]] = {}
        for trace in self.trace_losses(network):
            sums.setdefault(source_of(trace.sample), []).append(trace)
        if not sums:
            return None
        every = [trace for traces in sums.values() for trace in traces]
        return HeldOut(_mean(every), {source: _mean(traces) for source, traces in sorted(sums.items())})


def _mean(traces: list[TraceLoss]) -> float:
    return math.fsum(trace.total for trace in traces) / sum(trace.tokens for trace in traces)
