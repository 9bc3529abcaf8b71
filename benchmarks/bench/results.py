"""What a run of the benchmarks found, as `results.json` holds it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant's rounds. `problem` says why there are none, or not all."""

    name: str
    environment: str
    did: str
    units: int
    seconds: tuple[float, ...]
    processor: tuple[float, ...]
    memory: tuple[float, ...]
    verdict: str
    sound: bool
    problem: str
    ahead: str
    behind: str

    @property
    def pace(self) -> float:
        """Seconds a unit of work, the median."""
        return median(self.seconds) / self.units


@dataclass(frozen=True, slots=True)
class ContestResult:
    """A contest's rows, ours first."""

    key: str
    title: str
    unit: str
    about: str
    rows: tuple[Row, ...]
    absent: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured on. No host, no path."""

    processor: str
    cores: int
    memory: float
    """GiB."""
    system: str


@dataclass(frozen=True, slots=True)
class Made:
    """An environment: the version of its Python, its packages that count, or why there is none."""

    python: str
    versions: Mapping[str, str]
    problem: str


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    taken: str
    minutes: float
    machine: Machine
    sizes: Mapping[str, Any]
    environments: Mapping[str, Made]
    contests: tuple[ContestResult, ...]
    tpu: Mapping[str, Any] | None
    """`tpu.json` as it was then: compiled on another day, by benchmarks/tpu.py."""

    @property
    def whole(self) -> bool:
        """Whether everybody ran, and every difference is explained."""
        return all(
            not contest.problem and all(row.sound and not row.problem for row in contest.rows)
            for contest in self.contests
        )


def write_results(results: Results, path: Path) -> None:
    """Write the file."""
    path.write_text(
        json.dumps({"format": 1, **asdict(results)}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def read_results(path: Path) -> Results:
    """Read what `write_results` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.pop("format") != 1:
        raise SystemExit(f"{path.name}: another format than 1; run `make bench` anew")
    contests = [
        ContestResult(**{**contest, "rows": tuple(_row(row) for row in contest["rows"])})
        for contest in data["contests"]
    ]
    return Results(
        **{
            **data,
            "machine": Machine(**data["machine"]),
            "environments": {name: Made(**made) for name, made in data["environments"].items()},
            "contests": tuple(contests),
        }
    )


def _row(data: Mapping[str, Any]) -> Row:
    return Row(**{**data, **{name: tuple(data[name]) for name in ("seconds", "processor", "memory")}})
