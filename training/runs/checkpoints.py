"""Checkpoints that can be trusted: Orbax's, sealed.

```
RUN/checkpoints/<step>/   the newest two: adapter, optimizer, and what they are of (custom metadata)
RUN/damaged/<step>/       a checkpoint that could not be restored, put aside
```

What a checkpoint says of itself is sealed by a SHA-256, and says the digest of its state. So a damaged one is told from
a whole one, and from one of another run. Reading needs no network, and no device like those that it was written on.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import orbax.checkpoint as ocp
from flax import nnx
from tunix.sft import checkpoint_manager

from manifests.canonical import canonical_bytes
from training.errors import RunFolderError
from training.loop import hosts
from training.loop.update import Optimizer, State
from training.network.gemma import Network, tensor_name
from training.network.tensors import tensors_digest

KEPT = 2
FOLDER = "checkpoints"
ASIDE = "damaged"
CURSOR, STATE, BYTES, SEAL = "cursor", "state_digest", "state_bytes", "seal"
PARTS = {"model_params": "adapter", "optimizer_state": "optimizer"}
METADATA = "_CHECKPOINT_METADATA"
METADATA_MOST = 1 << 20  # bytes; Orbax writes less than 2,000
REASON_LENGTH = 80  # characters of an error's beginning, and of its end

Tensors = dict[str, npt.NDArray[Any]]
Told = Mapping[str, str | int]


class DamagedError(Exception):
    """A checkpoint is not what it says, or can't be read. Its text is the reason; nobody outside sees it."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole: what it is of, and its tensors, as `state_tensors` names them."""

    told: dict[str, str | int]
    tensors: Tensors


class Checkpoints(checkpoint_manager.CheckpointManager):
    """The checkpoints of a run, one every so many steps, the newest two kept; `restore` comes first.

    Not asynchronous: a checkpoint that is listed is whole. `provenance` says what the run is of; a checkpoint carries
    it, with the cursor (steps done).
    """

    def __init__(self, run: Path, every: int, provenance: Mapping[str, str]) -> None:
        super().__init__(None)
        self._run = run
        self._every = every
        self._provenance = dict(provenance)

    def restore(self, model: Network, optimizer: Optimizer, say: Callable[[str], None]) -> int:
        """Restore the newest whole checkpoint into `model` and `optimizer`; its step, 0 when there is none.

        Damaged ones are put aside and told. Raises `RunFolderError` when all are damaged (they stay where they are), or
        one is of something else.
        """
        step = 0
        if found := newest_whole(self._run / FOLDER, say):
            path, checkpoint = found
            step = int(path.name)
            if checkpoint.told != {**self._provenance, CURSOR: step}:
                raise RunFolderError(
                    f"{path}: a checkpoint of {checkpoint.told}, expected "
                    f"{ {**self._provenance, CURSOR: step} }; take another --out"
                )
            _load(path, checkpoint.tensors, model, optimizer)
        hosts.meet("checkpoint read")
        with hosts.first_before_others():
            if hosts.first():
                self._put_aside_damaged(step, say)
        self._open()
        return step

    def save(
        self,
        step: int,
        model: Network,
        optimizer: "Optimizer | None" = None,
        save_only_lora_params: bool = True,  # noqa: FBT001, FBT002 - Tunix's signature
        force: bool = False,  # noqa: FBT001, FBT002
        custom_metadata: dict[str, Any] | None = None,
    ) -> bool:
        """Save adapter and optimizer when it is time, or when forced; whether it was done.

        Raises `RunFolderError` when it can't be written.
        """
        del custom_metadata
        manager = self._checkpoint_manager
        if manager is None or not (force or manager.should_save(step)):
            return False
        try:
            tensors = state_tensors(model, optimizer)
            saved: bool = super().save(
                step, model, optimizer, save_only_lora_params, force, sealed(self._told(step), tensors)
            )
        except Exception as error:  # Orbax has no error of its own for a full disk
            raise RunFolderError(
                f"{self._run / FOLDER / str(step)}: the checkpoint can't be written ({_reason(error)}); mend this, "
                "and the same command goes on from the one before"
            ) from error
        return saved

    def _told(self, step: int) -> dict[str, str | int]:
        return {**self._provenance, CURSOR: step}

    def _open(self) -> None:
        super().__init__(
            str((self._run / FOLDER).absolute()),
            ocp.CheckpointManagerOptions(
                save_decision_policy=ocp.checkpoint_managers.FixedIntervalPolicy(self._every),
                max_to_keep=KEPT,
                enable_async_checkpointing=False,
            ),
        )

    def _put_aside_damaged(self, restored: int, say: Callable[[str], None]) -> None:
        """Leave Orbax nothing that it would trip over: what is newer than `restored`, unreadable, or half-written."""
        folder = self._run / FOLDER
        for step in steps_in(folder):
            if step > restored or not _dated(folder, step):
                say(
                    f"{folder / str(step)}: put aside as {_move_aside(folder / str(step), self._run / ASIDE)}"
                )
        for torn in folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(torn, ignore_errors=True)


def steps_in(folder: Path) -> list[int]:
    """The steps that have a checkpoint in `folder`, newest first."""
    if not folder.is_dir():
        return []
    return sorted(
        (int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()), reverse=True
    )


def newest_whole(folder: Path, say: Callable[[str], None]) -> tuple[Path, Checkpoint] | None:
    """The newest whole checkpoint in `folder`; damaged ones are told. None when there are no checkpoints.

    Raises `RunFolderError` when all are damaged.
    """
    steps = steps_in(folder)
    for step in steps:
        path = folder / str(step)
        try:
            return path, read_checkpoint(path)
        except DamagedError as error:
            older = "going on from the one before" if step != steps[-1] else "there is none before it"
            say(f"{path}: damaged ({error}), {older}")
    refuse_all_damaged(folder, steps)
    return None


def refuse_all_damaged(folder: Path, steps: Sequence[int]) -> None:
    """Raises `RunFolderError` when `folder` had checkpoints, of these steps: all were found damaged."""
    if steps:
        raise RunFolderError(
            f"{folder}: none of its checkpoints can be restored ({', '.join(map(str, steps))}); "
            "bring back a copy of them, or take another --out to begin anew"
        )


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the checkpoint at `path` whole, and hold it against its seal. Raises `DamagedError`."""
    told = _read_told(path)
    expected, size = str(told.pop(STATE)), int(told.pop(BYTES))
    try:
        tensors = _read_tensors(path, size)
    except DamagedError:
        raise
    except Exception as error:  # Orbax raises of everything here, a bare Exception among it
        raise DamagedError(_reason(error)) from error
    if (observed := tensors_digest(tensors)) != expected:
        raise DamagedError(f"digest of its state {observed}, it says {expected}")
    return Checkpoint(told, tensors)


def state_tensors(model: Network, optimizer: "Optimizer | None") -> Tensors:
    """Adapter and optimizer as named arrays: `adapter.<tensor>`, `optimizer.<path>`."""
    states = {"adapter": _adapter(model)}
    if optimizer is not None:
        states["optimizer"] = _moments(optimizer)
    named = {
        f"{part}.{tensor_name(path)}": variable.get_value()
        for part, state in states.items()
        for path, variable in nnx.to_flat_state(state)
    }
    fetched: Tensors = jax.device_get(named)
    return fetched


def sealed(told: Told, tensors: Tensors) -> dict[str, str | int]:
    """What a checkpoint of `tensors` says of itself: `told`, digest and bytes of its state, the seal on all that."""
    said = {**told, STATE: tensors_digest(tensors), BYTES: sum(tensor.nbytes for tensor in tensors.values())}
    return {**said, SEAL: _seal(said)}


def _seal(said: Told) -> str:
    return hashlib.sha256(canonical_bytes(dict(said))).hexdigest()


def _read_told(path: Path) -> dict[str, str | int]:
    """What a checkpoint says of itself, its seal checked and taken off."""
    try:
        with (path / METADATA).open("rb") as file:
            metadata = json.loads(file.read(METADATA_MOST))
        told = dict(metadata["custom_metadata"])
        seal = told.pop(SEAL)
        observed = _seal(told)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"it does not say what it is of: {_reason(error)}") from error
    if observed != seal:
        raise DamagedError(f"what it says has SHA-256 {observed}, its seal is {seal}")
    return told


def _read_tensors(path: Path, size: int) -> Tensors:
    """The arrays of a checkpoint, which must say beforehand that they have `size` bytes."""
    reader, path = ocp.PyTreeCheckpointer(), path.absolute()  # Orbax finds nothing at a relative path
    described = {part: reader.metadata(path / part).item_metadata for part in PARTS}
    if missing := [part for part, tree in described.items() if tree is None]:
        raise DamagedError(f"it has no {' and no '.join(missing)}")
    trees = {part: tree.tree for part, tree in described.items()}
    declared = sum(
        np.dtype(leaf.dtype).itemsize * int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(trees)
    )
    if declared != size:
        raise DamagedError(f"its arrays have {declared:,} bytes, it says {size:,}")
    tensors: Tensors = {}
    for part, tree in trees.items():
        wanted = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        found = reader.restore(path / part, restore_args=wanted)
        for keys, array in jax.tree_util.tree_leaves_with_path(found):
            # The last key is flax's: the "value" of a variable.
            name = tensor_name(getattr(key, "key", key) for key in keys[:-1])
            tensors[f"{PARTS[part]}.{name}"] = np.asarray(array)
    return tensors


def _load(path: Path, tensors: Tensors, model: Network, optimizer: Optimizer) -> None:
    """Put a checkpoint's tensors where those of `model` and `optimizer` lie."""
    for part, module, state in (
        ("adapter", model, _adapter(model)),
        ("optimizer", optimizer, _moments(optimizer)),
    ):
        for keys, variable in nnx.to_flat_state(state):
            old, new = variable.get_value(), tensors.get(f"{part}.{tensor_name(keys)}")
            if new is None or (new.shape, new.dtype) != (old.shape, old.dtype):
                raise RunFolderError(
                    f"{path}: {part}.{tensor_name(keys)} is {_form(new)}, expected {_form(old)}; "
                    "go on with the versions that wrote it (run.json), or take another --out"
                )
            placed = jax.make_array_from_callback(new.shape, old.sharding, new.__getitem__)
            variable.set_value(placed)
        nnx.update(module, state)


def _form(array: Any) -> str:
    return "not there" if array is None else f"{array.dtype} {list(array.shape)}"


def _adapter(model: Network) -> State:
    return nnx.state(model, nnx.LoRAParam)


def _moments(optimizer: Optimizer) -> State:
    return nnx.state(optimizer, nnx.optimizer.OptState)


def _dated(folder: Path, step: int) -> bool:
    """Whether Orbax can read when a checkpoint was written: it reads that of all of them, and stops where it can't."""
    try:
        ocp.path.step.standard_name_format().find_step(str(folder.absolute()), step).commit_timestamp  # noqa: B018
    except Exception:  # noqa: BLE001 - whatever it raises there it would raise here
        return False
    return True


def _move_aside(path: Path, aside: Path) -> Path:
    aside.mkdir(exist_ok=True)
    number = 0
    while (place := aside / (f"{path.name}.{number}" if number else path.name)).exists():
        number += 1
    os.rename(path, place)  # noqa: PTH104 - a plain rename: nothing is copied
    return place


def _reason(error: Exception) -> str:
    """An error on one line; of a long one the beginning and the end, where the operating system's word stands."""
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > 2 * REASON_LENGTH:
        text = f"{text[:REASON_LENGTH]} … {text[-REASON_LENGTH:]}"
    return text
