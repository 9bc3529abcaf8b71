"""Checkpoints that can be trusted: Orbax's, with a digest of their state.

```
RUN/checkpoints/<step>/   the newest two: adapter, optimizer, and what they are of (custom metadata)
RUN/damaged/<step>/       a checkpoint that could not be restored, put aside
```
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import nnx
from tunix.sft import checkpoint_manager

from training.errors import RunFolderError
from training.network import Network, tensor_name
from training.tensors import tensors_digest
from training.update import Optimizer, State

KEPT = 2
STATE = "state_digest"
REASON_LENGTH = 120


class Checkpoints(checkpoint_manager.CheckpointManager):
    """The checkpoints of a run, `every` so many steps, the newest two kept.

    Not asynchronous: a checkpoint that is listed is whole. `provenance` says what the run is of; a checkpoint carries
    it, with the cursor (steps done) and the digest of its state.
    """

    def __init__(self, run: Path, every: int, provenance: Mapping[str, str]) -> None:
        self._run = run
        self._provenance = dict(provenance)
        super().__init__(
            str((run / "checkpoints").absolute()),
            ocp.CheckpointManagerOptions(
                save_decision_policy=ocp.checkpoint_managers.FixedIntervalPolicy(every),
                max_to_keep=KEPT,
                enable_async_checkpointing=False,
            ),
        )

    def save(
        self,
        step: int,
        model: Network,
        optimizer: "Optimizer | None" = None,
        save_only_lora_params: bool = True,  # noqa: FBT001, FBT002 - Tunix's signature
        force: bool = False,  # noqa: FBT001, FBT002
        custom_metadata: dict[str, Any] | None = None,
    ) -> bool:
        """Save adapter and optimizer when it is time, or when forced; whether it was done."""
        del custom_metadata
        if not force and not self._checkpoint_manager.should_save(step):
            return False
        told = {**self._metadata(step), STATE: state_digest(model, optimizer)}
        saved: bool = super().save(step, model, optimizer, save_only_lora_params, force, told)
        return saved

    def restore(self, model: Network, optimizer: Optimizer, say: Callable[[str], None]) -> int:
        """Restore the newest checkpoint that is whole into `model` and `optimizer`; its step, 0 when there is none.

        Damaged ones are put aside and told. Raises `RunFolderError` when all are damaged, or one is of something else.
        """
        steps = sorted(self._checkpoint_manager.all_steps(), reverse=True)
        for step in steps:
            reason = self._try(step, model, optimizer)
            if reason is None:
                return int(step)
            say(f"{self._path(step)}: damaged ({reason}); put aside, going on from the one before")
            self._put_aside(step)
        if steps:
            raise RunFolderError(
                f"{self._run}: none of its checkpoints can be restored ({', '.join(map(str, steps))}); "
                "take another --out to begin anew"
            )
        return 0

    def _try(self, step: int, model: Network, optimizer: Optimizer) -> str | None:
        """Restore a checkpoint; None when that went well, else the reason."""
        try:
            metadata = self._checkpoint_manager.metadata(step)
            parts = {"model_params": _adapter(model), "optimizer_state": _moments(optimizer)}
            found = self._checkpoint_manager.restore(
                step, args=ocp.args.Composite(**{name: _wanted(state) for name, state in parts.items()})
            )
        except (ValueError, KeyError, OSError, TypeError) as error:  # what Orbax raises when it can't
            return shorten(str(error), REASON_LENGTH)
        nnx.update(model, found.model_params)
        nnx.update(optimizer, found.optimizer_state)
        told = dict(metadata.custom_metadata or {})
        expected, observed = told.pop(STATE, None), state_digest(model, optimizer)
        if not told or expected is None:
            return "it does not say what it is of"
        if told != self._metadata(step):
            raise RunFolderError(
                f"{self._path(step)}: a checkpoint of {told}, expected {self._metadata(step)}; take another --out"
            )
        return None if observed == expected else f"digest of its state {observed}, it says {expected}"

    def _metadata(self, step: int) -> dict[str, str | int]:
        return {**self._provenance, "cursor": step}

    def _path(self, step: int) -> Path:
        return self._run / "checkpoints" / str(step)

    def _put_aside(self, step: int) -> None:
        aside = self._run / "damaged"
        aside.mkdir(exist_ok=True)
        number = 0
        while (place := aside / (f"{step}.{number}" if number else str(step))).exists():
            number += 1
        os.rename(self._path(step), place)  # noqa: PTH104 - a plain rename: nothing is copied
        self._checkpoint_manager.reload()


def state_digest(model: Network, optimizer: "Optimizer | None") -> str:
    """`tensors_digest` over adapter and optimizer."""
    states = {
        "adapter": _adapter(model),
        "optimizer": nnx.State({}) if optimizer is None else _moments(optimizer),
    }
    named = {
        f"{part}.{tensor_name(path)}": variable.get_value()
        for part, state in states.items()
        for path, variable in nnx.to_flat_state(state)
    }
    return tensors_digest(jax.device_get(named))


def _adapter(model: Network) -> State:
    return nnx.state(model, nnx.LoRAParam)


def _moments(optimizer: Optimizer) -> State:
    return nnx.state(optimizer, nnx.optimizer.OptState)


def _wanted(state: State) -> ocp.args.PyTreeRestore:
    """What Orbax is asked for: these arrays, where they lie now."""
    return ocp.args.PyTreeRestore(
        item=state, restore_args=ocp.checkpoint_utils.construct_restore_args(target=state)
    )
