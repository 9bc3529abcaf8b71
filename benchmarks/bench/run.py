"""The flow: sources, then contest after contest: its files, its contestants in turn, its verdicts."""

import importlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.bench.contest import OWN, Answer, Contest, Contestant, Match, Place, Sizes
from benchmarks.bench.environments import Environment, open_environment
from benchmarks.bench.measure import Outcome, run
from benchmarks.bench.results import ContestResult, Machine, Made, Results, Row

CONTESTS = ("mix", "duplicates", "near", "language", "reservoir", "rows", "audit", "training")
ROOT = Path(__file__).parents[2]
TPU = ROOT / "benchmarks" / "tpu.json"
CORES = 2
NO_ANSWER = "ours gave nothing to compare with"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    cache: Path
    """Where the environments are kept."""
    sizes: Sizes
    contests: tuple[str, ...] = CONTESTS
    data: Path | None = None
    real: Path | None = None
    given: Mapping[str, Path] = field(default_factory=dict)
    minutes: float = 60.0


def run_all(options: Options) -> Results:
    """Everything that was asked for, within its minutes."""
    began = time.monotonic()
    end = began + options.minutes * 60
    # Everybody has the same two cores, on any machine. Children inherit them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    bench = Bench(options, end)
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="run-") as name:
        folder = Path(name)
        sources = options.data.resolve() if options.data else _write_sources(folder, options.sizes)
        contests = [bench.contest(key, sources, folder) for key in options.contests]
    return Results(
        taken=datetime.now(UTC).date().isoformat(),
        minutes=(time.monotonic() - began) / 60,
        machine=_machine(),
        sizes=asdict(options.sizes),
        environments={
            name: Made(made.version, made.versions, made.problem) for name, made in sorted(bench.made.items())
        },
        contests=tuple(contests),
        tpu=json.loads(TPU.read_bytes()) if TPU.is_file() else None,
    )


class Bench:
    """What the contests of one run have in common: the environments, and the time that is left."""

    def __init__(self, options: Options, end: float) -> None:
        self._options, self._end = options, end
        self.made: dict[str, Environment] = {}

    def contest(self, key: str, sources: Path, folder: Path) -> ContestResult:
        """One contest. What goes wrong in it is said in its result."""
        contest = cast("Contest", importlib.import_module(f"benchmarks.bench.contests.{key}"))
        say(f"{contest.TITLE}: preparing")
        home, shared = folder / key, folder / "shared"
        home.mkdir()
        shared.mkdir(exist_ok=True)
        place = Place(sources, home, shared, self._options.sizes, self._options.real)
        try:
            match = contest.prepare(place)
            rows = self._rounds(match, home)
        except Exception as error:  # noqa: BLE001 - the page is to come out, and to say it
            problem = plain(f"{type(error).__name__}: {error}")
            say(f"{contest.TITLE}: {problem}")
            return ContestResult(key, contest.TITLE, contest.UNIT, "", (), {}, problem)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return ContestResult(key, contest.TITLE, contest.UNIT, match.about, rows, match.absent)

    def _rounds(self, match: Match, folder: Path) -> tuple[Row, ...]:
        entries = [Entry(contestant, self._open(contestant), folder) for contestant in match.contestants]
        for number in range(self._options.sizes.rounds):
            for entry in entries:
                if not entry.problem:
                    entry.run(number, self._end - time.monotonic())
        answers = {entry.contestant.name: entry.answer for entry in entries if entry.answer is not None}
        ours = match.contestants[0].name
        verdicts = match.check(answers) if ours in answers else {}
        rows = []
        for entry in entries:
            verdict = verdicts.get(entry.contestant.name)
            problem = entry.problem or ("" if verdict else NO_ANSWER)
            rows.append(
                Row(
                    entry.contestant.name,
                    entry.contestant.environment,
                    entry.contestant.did,
                    entry.units or entry.contestant.units or match.units,
                    tuple(entry.seconds),
                    tuple(outcome.processor for outcome in entry.outcomes),
                    tuple(outcome.memory for outcome in entry.outcomes),
                    verdict.text if verdict else "",
                    verdict.sound if verdict else True,
                    problem,
                    entry.contestant.ahead,
                    entry.contestant.behind,
                )
            )
        return tuple(rows)

    def _open(self, contestant: Contestant) -> Environment:
        name = contestant.environment
        if name not in self.made:
            if name != OWN:
                say(f"the environment {name}")
            self.made[name] = open_environment(
                name, self._options.cache / "environments", self._options.given
            )
        return self.made[name]


class Entry:
    """A contestant in its rounds."""

    def __init__(self, contestant: Contestant, environment: Environment, folder: Path) -> None:
        self.contestant, self._environment, self._folder = contestant, environment, folder
        self.problem = environment.problem
        self.outcomes: list[Outcome] = []
        self.seconds: list[float] = []
        self.answer: Answer | None = None
        self.units: int | None = None

    def run(self, number: int, left: float) -> None:
        """One round."""
        if left <= 0:
            self.problem = f"round {number + 1} was not run: the time was over"
            return
        out = self._folder / f"{re.sub('[^a-z0-9]+', '-', self.contestant.name.lower())}-{number}"
        (out / "tmp").mkdir(parents=True)
        if self.answer is not None:
            shutil.rmtree(self.answer.out, ignore_errors=True)
        command = [self._environment.python or "", *self.contestant.command]
        limit = min(self.contestant.limit, left)
        outcome = run(
            [str(part).replace("{out}", str(out)) for part in command],
            limit=limit,
            folder=out,
            environment=_variables(out, own=self.contestant.environment == OWN),
        )
        self.problem = _problem(outcome, self.contestant, limit)
        if self.problem:
            self.answer = None
            say(f"  {self.contestant.name}: {self.problem}")
            return
        told = _told(outcome.output)
        self.answer, self.units = Answer(told, out), told.get("units")
        self.outcomes.append(outcome)
        self.seconds.append(told.get("seconds", outcome.seconds))
        say(f"  round {number + 1}, {self.contestant.name}: {self.seconds[-1]:.2f} s")


def _problem(outcome: Outcome, contestant: Contestant, limit: float) -> str:
    if outcome.status is None:
        return f"stopped after {limit:.0f} s"
    if outcome.status not in contestant.statuses:
        lines = [line for line in outcome.errors.splitlines() if line.strip()]
        return f"exit status {outcome.status}: {plain(lines[-1] if lines else 'nothing was said')}"
    return ""


def _told(output: str) -> dict[str, Any]:
    """The last line, if it is a JSON object."""
    with suppress(ValueError, IndexError):
        told = json.loads(output.splitlines()[-1])
        if isinstance(told, dict):
            return told
    return {}


def _variables(out: Path, *, own: bool) -> dict[str, str]:
    """Nothing is fetched, nothing kept between rounds, no accelerator."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    variables |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(out / "hf"),
        "DATA_JUICER_CACHE_HOME": str(out / "data-juicer"),
        "JAX_PLATFORMS": "cpu",
        "TMPDIR": str(out / "tmp"),
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
        "PIP_NO_INDEX": "1",  # data-juicer installs what it misses while it runs
        "UV_OFFLINE": "1",
    }
    return variables | ({"PYTHONPATH": str(ROOT)} if own else {})


def _write_sources(folder: Path, sizes: Sizes) -> Path:
    from curation.demo.scales import full_scale  # noqa: PLC0415 - not needed where sources are given
    from curation.demo.sources import write_scale  # noqa: PLC0415

    say(f"sources: the full size{f', one row in {sizes.one_in}' if sizes.one_in > 1 else ''}")
    write_scale(folder / "sources", full_scale(one_in=sizes.one_in), seed=42, name="bench")
    return folder / "sources"


def _machine() -> Machine:
    model = platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return Machine(model, len(os.sched_getaffinity(0)), memory, system)


def plain(text: str) -> str:
    """A remark for the page: one line, without folders of this machine."""
    return re.sub(r"(/[\w.+@-]+){2,}/", "…/", " ".join(text.split()))[:200]


def say(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)
