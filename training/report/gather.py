"""The edge of the page: what there is to tell of a run, read from its folder alone. Nothing is changed in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from training.batches.plan import Batches
from training.errors import ModelError
from training.models import model_of
from training.runs.folder import Record, check_file, read_record, read_table
from training.runs.metrics import METRICS, StepMetrics, step_metrics
from training.watch.pace import PACE, StepPace, read_pace
from training.watch.peak import peak_of, token_operations
from training.watch.samples import SAMPLES, Sample, read_samples


@dataclass(frozen=True)
class SourceShare:
    """What the plan has of a source: distinct traces trained on and their tokens, and distinct traces held out."""

    source: str
    traces: int
    tokens: int
    held_out: int


@dataclass(frozen=True)
class Consumed:
    """How far a run has come: distinct traces trained on, and tokens, each time they were seen."""

    traces: int
    tokens: int


@dataclass(frozen=True)
class Gathered:
    """A run, as its page needs it. `full_speed` is useful tokens a second at the peak of its devices, where known."""

    record: Record
    metrics: tuple[StepMetrics, ...]
    pace: tuple[StepPace, ...]
    samples: tuple[Sample, ...]
    mix: tuple[SourceShare, ...]
    consumed: Consumed
    full_speed: float | None


def gather(run: Path) -> Gathered:
    """Read a run, whether it is running, stopped or finished. Raises `RunFolderError` for what is none, or damaged."""
    record = read_record(run)
    metrics = tuple(step_metrics(run / METRICS))
    plan, held_out = (read_table(run, record, f"{name}.parquet") for name in ("plan", "held_out"))
    sources = pq.read_table(check_file(run, record, "keys.parquet"), columns=["source"]).column("source")
    batches = Batches(plan)
    cursor = min(len(metrics), batches.steps)
    seen = plan.column("step").to_numpy() <= cursor
    lengths = plan.column("length").to_numpy().astype(np.int64)
    return Gathered(
        record=record,
        metrics=metrics,
        pace=tuple(read_pace(run / PACE)),
        samples=tuple(read_samples(run / SAMPLES)),
        mix=_mix(plan, held_out, sources),
        consumed=Consumed(len(batches.samples(cursor)), int(lengths[seen].sum())),
        full_speed=_full_speed(record, lengths),
    )


def _mix(plan: pa.Table, held_out: pa.Table, sources: pa.ChunkedArray) -> tuple[SourceShare, ...]:
    """The sources in the order of the manifest."""
    coded = sources.combine_chunks().dictionary_encode()
    names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    samples, first = np.unique(plan.column("sample").to_numpy().astype(np.int64), return_index=True)
    tokens = plan.column("length").to_numpy().astype(np.int64)[first]
    held = np.unique(held_out.column("sample").to_numpy().astype(np.int64))
    count = _counter(codes, len(names))
    columns = (count(samples, None), count(samples, tokens), count(held, None))
    return tuple(SourceShare(name, *map(int, row)) for name, *row in zip(names, *columns, strict=True))


def _counter(
    codes: npt.NDArray[np.int32], sources: int
) -> Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64] | None], npt.NDArray[np.int64]]:
    def count(samples: npt.NDArray[np.int64], weights: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
        of_source = codes[samples - 1]
        ones = np.ones(len(samples), dtype=np.int64) if weights is None else weights
        totals = np.zeros(sources, dtype=np.int64)
        np.add.at(totals, of_source, ones)
        return totals

    return count


def _full_speed(record: Record, lengths: npt.NDArray[np.int64]) -> float | None:
    session = last_session(record)
    peak = peak_of(str(session.get("device")))
    settings, devices, vocabulary = (
        record.get("settings"),
        session.get("device_count"),
        record.get("vocabulary"),
    )
    if peak is None or not isinstance(settings, dict) or not isinstance(settings.get("rank"), int):
        return None
    if not isinstance(devices, int) or not isinstance(vocabulary, int):
        return None
    try:
        shape = model_of(str(record.get("model"))).shape
    except ModelError:
        return None
    return peak * devices / token_operations(shape, vocabulary, settings["rank"], lengths)


def last_session(record: Record) -> Record:
    """What the newest start of a run says of itself, as far as it is a record at all."""
    sessions = record.get("sessions")
    last = sessions[-1] if isinstance(sessions, list) and sessions else {}
    return last if isinstance(last, dict) else {}
