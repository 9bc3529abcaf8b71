"""What the losses of a manifest's traces say of its sources, and which traces stand out. Pure.

A loss is a trace's mean over its trained tokens, in nats; NaN where it was not scored.

A trace stands out by the modified z-score of Iglewicz and Hoaglin (*How to Detect and Handle Outliers*, ASQC, 1993):
how far its loss lies from its source's median, in spreads of its source. A spread is 1.4826 times the median absolute
deviation from the median; where that is 0 (more than half of the losses are equal), 1.2533 times the mean absolute
deviation. For a normal distribution both are its standard deviation. An outlier is more than 3.5 spreads away, above or
below: noise and broken text lie above, what the model knows by heart lies below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

OUTLIER = 3.5  # spreads
MEDIAN_SCALE, MEAN_SCALE = 1.4826, 1.2533

Losses: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SourceScore:
    """The losses of a source: of its `traces`, so many were `scored`, with so many trained tokens.

    `mean` is weighted by token; `median` and `spread` are of the traces. All three are None when none was scored.
    """

    source: str
    traces: int
    scored: int
    tokens: int
    mean: float | None
    median: float | None
    spread: float | None


@dataclass(frozen=True, slots=True)
class Outlier:
    """A trace that stands out: its place in the manifest, from 1, and its spreads from the median of its source."""

    sample: int
    source: str
    loss: float
    spreads: float


def rank_sources(
    names: Sequence[str], sources: npt.NDArray[np.int32], tokens: npt.NDArray[np.int64], losses: Losses
) -> list[SourceScore]:
    """The sources by mean loss, the highest first, those without a score last.

    `sources` has each trace's place in `names`, `tokens` its trained tokens.
    """
    scores = []
    for code, name in enumerate(names):
        mine = sources == code
        scored = mine & ~np.isnan(losses)
        weights, values = tokens[scored], losses[scored]
        if not len(values):
            scores.append(SourceScore(name, int(mine.sum()), 0, 0, None, None, None))
            continue
        scores.append(
            SourceScore(
                source=name,
                traces=int(mine.sum()),
                scored=len(values),
                tokens=int(weights.sum()),
                mean=float((values * weights).sum() / weights.sum()),
                median=float(np.median(values)),
                spread=spread(values),
            )
        )
    return sorted(scores, key=lambda score: (score.mean is None, -(score.mean or 0), score.source))


def find_outliers(names: Sequence[str], sources: npt.NDArray[np.int32], losses: Losses) -> list[Outlier]:
    """The traces that stand out among those of their source, the farthest first; ties go to the earlier place."""
    found = []
    for code, name in enumerate(names):
        places = np.flatnonzero((sources == code) & ~np.isnan(losses))
        values = losses[places]
        if not len(values) or (unit := spread(values)) == 0:
            continue
        distances = (values - np.median(values)) / unit
        found += [
            Outlier(int(places[number]) + 1, name, float(values[number]), float(distances[number]))
            for number in np.flatnonzero(np.abs(distances) > OUTLIER)
        ]
    return sorted(found, key=lambda outlier: (-abs(outlier.spreads), outlier.sample))


def spread(values: Losses) -> float:
    """The spread of one or more losses, as the module says."""
    deviations = np.abs(values - np.median(values))
    return float(MEDIAN_SCALE * np.median(deviations) or MEAN_SCALE * deviations.mean())
