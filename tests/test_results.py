"""The figures that are published are those that were measured: results.json, its page, and the README's part."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.bench.page import BEGIN, END, readme_part, render
from benchmarks.bench.results import Results, read_results
from benchmarks.growing.costs import PLOTTED, Figures, cost, fact, growth_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS, PAGE = ROOT / "benchmarks" / "results.json", ROOT / "benchmarks" / "RESULTS.md"


@pytest.fixture(scope="module")
def results() -> Results:
    if not RESULTS.is_file():
        pytest.skip("`make bench` has not been run: there is no benchmarks/results.json")
    return read_results(RESULTS)


def test_results_come_with_their_page_and_the_readmes_part_or_not_at_all() -> None:
    assert PAGE.is_file() == RESULTS.is_file() == (BEGIN in README) == (END in README)


def test_the_page_is_the_results_rendered(results: Results) -> None:
    assert PAGE.read_text(encoding="utf-8") == render(results)


def test_the_readmes_part_is_the_results_rendered(results: Results) -> None:
    assert README.count(BEGIN) == README.count(END) == 1
    part = README[README.index(BEGIN) + len(BEGIN) : README.index(END)].strip("\n")
    assert part == readme_part(results)


def test_what_is_published_ran_whole_on_two_cores_within_the_hour(results: Results) -> None:
    assert results.machine.cores == 2
    assert results.minutes <= 60
    assert results.sizes["one_in"] == 1
    assert all(not contest.problem for contest in results.contests)


def test_the_readme_has_what_was_measured_of_growth() -> None:
    figures = json.loads((ROOT / "benchmarks" / "growth.json").read_bytes())
    seconds = {name: cost(figures, name, "seconds")[10_000_000] for name in PLOTTED}
    grown, rows = (max(each.values()) - sorted(each.values())[-2] for each in drawn(figures))
    for part in (
        f"10⁷ rows are built in {seconds['build']:.0f} s, regenerated in {seconds['regenerate']:.0f} s",
        f"verified with their texts in {seconds['verify --dataset']:.0f} s",
        f"audited in {seconds['audit']:.0f} s",
        f"memory grows by {grown / rows:.0f} bytes a row",
        f"of four are taken by {growth_of(figures, 'build', 'largest').step:.0f}.",
    ):
        assert part in README


def drawn(figures: Figures) -> tuple[dict[int, float], dict[int, float]]:
    """Memory of a build that takes few rows, and the rows of its source."""
    return cost(figures, "build of a draw", "largest"), fact(figures, "drawn_from")


def test_the_readme_has_what_compiling_for_tpus_told() -> None:
    rows = {
        name: cells for name, *cells in json.loads((ROOT / "benchmarks" / "tpu.json").read_bytes())["rows"]
    }
    lines = README.split("**Kaggle's eight v5e chips**")[1].split("The prediction takes")[0].splitlines()
    told = {line.split(" | ")[0].lstrip("| "): line for line in lines if line.startswith("| ")}
    for line, row in (
        ("of the chip's 15.75 GiB", "GiB of a chip"),
        ("executed for a useful token", "executed for a useful token"),
        ("compiled in, at the lowest priority beside the tests", "compiled in"),
    ):
        for cell in rows[row]:
            assert all(number in told[line] for number in re.findall(r"[\d.]+", cell)), (line, cell)
    at_once = zip(
        *(rows[f"{most} that fit{end}"] for most, end in (("longest row", "s"), ("most rows at once", ""))),
        strict=True,
    )
    ((ours, ours_at_once), (stock, stock_at_once)) = at_once
    line = told["longest row that fits; most rows at once (by doubling)"]
    assert f"{ours}; {ours_at_once} (remat `layer`) | {stock}; {stock_at_once}" in line
