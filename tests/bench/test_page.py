"""The page of results: who is faster, by how much, why; and what could not be run."""

import re
from dataclasses import replace
from pathlib import Path

from benchmarks.bench.page import BEGIN, END, NEITHER, anchor, readme_part, render, winner, with_part
from benchmarks.bench.results import (
    ContestResult,
    Machine,
    Made,
    Results,
    Row,
    read_results,
    write_results,
)

OURS = Row(
    name="ours",
    environment="ours",
    did="did it",
    units=1000,
    seconds=(2.0, 2.5, 2.2),
    processor=(4.0, 4.0, 4.0),
    memory=(100.0, 300.0, 200.0),
    verdict="7 left",
    sound=True,
    problem="",
    ahead="",
    behind="",
)
RIVAL = replace(
    OURS,
    name="rival",
    environment="theirs",
    seconds=(0.5, 0.6, 0.7),
    ahead="it does less",
    behind="it is slow",
)
CONTEST = ContestResult("audit", "The audit", "rows", "two files", (OURS, RIVAL), {})
RESULTS = Results(
    "2026-01-02",
    41.5,
    Machine("a processor", 2, 24.0, "Linux"),
    {"rounds": 3, "one_in": 1},
    {"ours": Made("3.11", {"polars": "2"}, ""), "theirs": Made("", {}, "can't be installed: no network")},
    (CONTEST,),
    None,
)


def line_of(page: str, start: str) -> str:
    (line,) = (line for line in page.splitlines() if line.startswith(start))
    return line


def page_with(*rows: Row) -> str:
    return render(replace(RESULTS, contests=(replace(CONTEST, rows=rows),)))


def test_a_faster_rival_is_named_with_its_ratio_and_the_reason_for_it() -> None:
    line = line_of(page_with(OURS, RIVAL), "| [The audit](#the-audit) |")
    assert line == "| [The audit](#the-audit) | rival | 0.27 | rival | it does less |"


def test_a_slower_rival_is_named_with_its_ratio_and_the_reason_for_it() -> None:
    slow = replace(RIVAL, seconds=(220.0, 230.0, 220.0))
    line = line_of(page_with(OURS, slow), "| [The audit](#the-audit) |")
    assert line == "| [The audit](#the-audit) | rival | 100 | ours | it is slow |"


def test_nobody_is_faster_where_the_spreads_overlap() -> None:
    close = replace(RIVAL, seconds=(2.4, 2.9, 3.0))
    assert winner(close, OURS) == NEITHER
    assert winner(replace(close, seconds=(1.5, 2.1)), OURS) == NEITHER
    assert winner(replace(close, seconds=(2.51, 2.9)), OURS) == "ours"
    assert winner(replace(close, seconds=(1.99, 1.5)), OURS) == "rival"


def test_ratios_are_of_the_same_work() -> None:
    share = replace(RIVAL, seconds=(2.2, 2.2, 2.2), units=100)
    assert "| rival | 10 | ours |" in page_with(OURS, share)


def test_a_table_says_median_spread_rate_processor_seconds_and_the_largest_memory() -> None:
    line = line_of(page_with(OURS), "| ours | 2.20")
    assert line == "| ours | 2.20 s (2.00 to 2.50) | 1,000 | 455 | 4.0 | 300 | 7 left |"


def test_who_did_not_run_stands_there_with_the_reason_and_the_run_is_not_whole() -> None:
    absent = replace(RIVAL, seconds=(), processor=(), memory=(), verdict="", problem="stopped after 300 s")
    results = replace(RESULTS, contests=(replace(CONTEST, rows=(OURS, absent)),))
    assert "| rival | – | – | stopped after 300 s |" in render(results)
    assert "rival: did not run" in readme_part(results)
    assert not results.whole
    assert RESULTS.whole


def test_a_contest_that_failed_is_said_and_the_run_is_not_whole() -> None:
    results = replace(RESULTS, contests=(replace(CONTEST, rows=(), problem="OSError: no room"),))
    assert render(results).count("OSError: no room") == 2
    assert not results.whole


def test_a_difference_that_nothing_explains_is_marked_and_the_run_is_not_whole() -> None:
    results = replace(RESULTS, contests=(replace(CONTEST, rows=(OURS, replace(RIVAL, sound=False))),))
    assert "7 left (**not explained**)" in render(results)
    assert not results.whole


def test_what_others_say_cannot_break_a_table() -> None:
    hostile = replace(RIVAL, verdict="a | b\nc <script>", seconds=(3.0,))
    line = line_of(page_with(OURS, hostile), "| rival | 3.00")
    assert line.endswith("| a \\| b c \\<script\\> |")


def test_versions_or_the_reason_why_there_is_no_environment_stand_on_the_page() -> None:
    assert "| ours | 3.11 | polars 2 |" in render(RESULTS)
    assert "| theirs |  | can't be installed: no network |" in render(RESULTS)


def test_the_tpus_rows_are_those_of_their_own_file() -> None:
    assert "Nothing was compiled" in render(RESULTS)
    tpu = {
        "taken": "2026-01-01",
        "command": "python benchmarks/tpu.py",
        "target": "v5e:2x4",
        "versions": {"libtpu": "1"},
        "columns": ["ours", "stock"],
        "rows": [["links", "68 KB", "53 MB"]],
    }
    page = render(replace(RESULTS, tpu=tpu))
    assert "on 2026-01-01 by `python benchmarks/tpu.py` (libtpu 1)" in page
    assert "|  | ours | stock |\n|---|---|---|\n| links | 68 KB | 53 MB |" in page


def test_links_lead_to_headings() -> None:
    page = render(RESULTS)
    headings = {anchor(title) for title in re.findall(r"^## (.*)$", page, flags=re.MULTILINE)}
    links = re.findall(r"\(#([^)]*)\)", page) + re.findall(r"RESULTS\.md#([^)]*)\)", readme_part(RESULTS))
    assert links
    assert set(links) <= headings


def test_each_figure_of_the_readmes_part_stands_on_the_page() -> None:
    row = line_of(readme_part(RESULTS), "| [the audit]")
    assert (
        row == "| [the audit](benchmarks/RESULTS.md#the-audit), 1,000 rows | 2.20 s, 300 MiB | rival 0.27 |"
    )
    assert all(figure in render(RESULTS) for figure in ("1,000", "2.20 s", "300", "0.27"))


def test_the_readme_gets_its_part_between_the_marks_and_nothing_else_changes() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_part(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert with_part("no marks\n", "new") == "no marks\n"


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = replace(RESULTS, tpu={"rows": [["a", "b"]]})
    write_results(results, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results
