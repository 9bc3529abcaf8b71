"""What an export knows of a run: its record, checked; its adapter and tokenizer, held against it; and its mix."""

import fcntl
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from training.batches.plan import Batches
from training.errors import RunFolderError
from training.export.lora import check_adapter_shapes
from training.models import Model, model_of
from training.network.tensors import Tensor
from training.runs import folder
from training.runs.folder import Record
from training.runs.opened import recorded_settings, recorded_tokenizer
from training.settings import Settings

DIGESTS = ("manifest", "plan", "tokenizer", "base_digest", "adapter_digest")
HEX_DIGITS = 64
MOST_STEPS = 1 << 40
SHOWN = 80  # characters of a value that is wrong


@dataclass(frozen=True)
class MixSource:
    """A source of the manifest: its rows there, those trained on up to the cursor, and those held out."""

    name: str
    rows: int
    trained: int
    held_out: int


@dataclass(frozen=True)
class Loss:
    """A mean loss in nats a trained token, before the run and after it."""

    what: str
    first: float
    last: float


@dataclass(frozen=True)
class TrainedRun:
    """A run that has an adapter, which has seen the first `cursor` steps of the plan's `steps`.

    `continued_from` is the manifest of the run that it started from. `record` is its `run.json`; what is not taken out
    of it here is passed on as it is, and may be anything.
    """

    record: Record
    model: Model
    settings: Settings
    manifest_name: str
    digests: dict[str, str]
    cursor: int
    steps: int
    continued_from: str | None
    mix: tuple[MixSource, ...]
    losses: tuple[Loss, ...]
    adapter: dict[str, Tensor]
    tokenizer: bytes
    vocabulary: int

    @property
    def scale(self) -> float:
        """What x·A·B is multiplied by."""
        return self.settings.alpha / self.settings.rank

    @property
    def metadata(self) -> dict[str, str]:
        """What every file of weights says of itself; the keys are those of the run's own adapter file."""
        return {
            "manifest": self.digests["manifest"],
            "plan": self.digests["plan"],
            "cursor": str(self.cursor),
            "tokenizer": self.digests["tokenizer"],
            "template": self.settings.template,
            "base": self.digests["base_digest"],
        }


def open_trained(path: Path) -> TrainedRun:
    """The run in the folder `path`, which is only read.

    Raises `RunFolderError` for a folder that is no run, one that trains or was killed, or a damaged one; `ModelError`
    and `SettingsError` for what this version does not know.
    """
    folder.read_record(path)  # says what is wrong with a folder that is none
    with _undisturbed(path):
        record = folder.read_record(path)
        if record.get("status") not in (folder.FINISHED, folder.STOPPED):
            raise RunFolderError(
                f"{path}: has no adapter yet: the run has neither stopped nor finished; start it again to finish it"
            )
        values = _Values(path / folder.RECORD, record)
        digests = {key: values.digest(key) for key in DIGESTS}
        model = model_of(values.text("model"))
        settings = recorded_settings(path, record, model.defaults)
        adapter = folder.check_adapter(path, record)
        check_adapter_shapes(str(path / folder.ADAPTER), model.shape, settings.rank, adapter)
        steps = values.number("steps", MOST_STEPS)
        cursor = values.number("cursor", steps)
        return TrainedRun(
            record=record,
            model=model,
            settings=settings,
            manifest_name=values.text("manifest_name"),
            digests=digests,
            cursor=cursor,
            steps=steps,
            continued_from=_parent(values),
            mix=_mix(path, record, cursor),
            losses=_losses(values),
            adapter=adapter,
            vocabulary=recorded_tokenizer(path, record).vocabulary,
            tokenizer=(path / folder.TOKENIZER).read_bytes(),
        )


class _Values:
    """The values of a part of a record, each of the type that is asked for, or a `RunFolderError`."""

    def __init__(self, where: Path, record: Record, prefix: str = "") -> None:
        self._where, self._record, self._prefix = where, record, prefix

    def part(self, key: str) -> "_Values":
        value = self._record.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return _Values(self._where, value, f"{self._prefix}{key}.")

    def has(self, key: str) -> bool:
        return self._record.get(key) is not None

    def keys(self) -> list[str]:
        return sorted(self._record)

    def text(self, key: str) -> str:
        value = self._record.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def digest(self, key: str) -> str:
        value = self.text(key)
        if len(value) != HEX_DIGITS or not set(value) <= set("0123456789abcdef"):
            raise self._wrong(key, f"{HEX_DIGITS} hex digits")
        return value

    def number(self, key: str, most: int) -> int:
        value = self._record.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self._wrong(key, f"an integer from 1 to {most}")
        return value

    def real(self, key: str) -> float:
        value = self._record.get(key)
        if not isinstance(value, float) or not math.isfinite(value):
            raise self._wrong(key, "a finite number")
        return value

    def _wrong(self, key: str, expected: str) -> RunFolderError:
        shown = repr(self._record.get(key))[:SHOWN]
        return RunFolderError(
            f"{self._where}: {self._prefix}{key} = {shown}, expected {expected}; such a run can't be exported"
        )


@contextmanager
def _undisturbed(path: Path) -> Iterator[None]:
    """Keep trainers out while a run is read; several may read it at once."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(
                f"{path}: another process trains in it; wait for it, then export again"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _mix(path: Path, record: Record, cursor: int) -> tuple[MixSource, ...]:
    """The sources in the order of their first row."""
    try:
        sources = list(map(str, folder.read_table(path, record, "keys.parquet").column("source").to_pylist()))
        trained = Batches(folder.read_table(path, record, "plan.parquet")).samples(cursor)
        held = folder.read_table(path, record, "held_out.parquet").column("sample").to_pylist()
        seen, kept = (Counter(sources[sample - 1] for sample in part) for part in (trained, held))
    except (pa.ArrowException, ValueError, TypeError, LookupError) as error:
        raise RunFolderError(
            f"{path}: its tables can't be read ({str(error)[:SHOWN]}); the run is damaged"
        ) from error
    return tuple(MixSource(name, rows, seen[name], kept[name]) for name, rows in Counter(sources).items())


def _losses(values: _Values) -> tuple[Loss, ...]:
    """The training loss of the first step and the last, and the held-out losses: of all, and by source."""
    losses = [Loss("training, first and last step", values.real("first_loss"), values.real("last_loss"))]
    if values.has("held_out_first") and values.has("held_out_last"):
        first, last = values.part("held_out_first"), values.part("held_out_last")
        losses.append(Loss("held out", first.real("loss"), last.real("loss")))
        before, after = first.part("by_source"), last.part("by_source")
        losses += [Loss(f"held out, {name}", before.real(name), after.real(name)) for name in before.keys()]  # noqa: SIM118
    return tuple(losses)


def _parent(values: _Values) -> str | None:
    return values.part("continued_from").digest("manifest") if values.has("continued_from") else None
