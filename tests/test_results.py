"""The figures that are published are those that were measured: results.json, its page, and the README's part."""

from pathlib import Path

import pytest

from benchmarks.bench.page import BEGIN, END, readme_part, render
from benchmarks.bench.results import Results, read_results

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
