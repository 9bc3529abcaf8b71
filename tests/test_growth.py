"""benchmarks/growth.py: what it plants, what it measures, and the page that is written from its figures."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pyarrow.parquet as pq
import pytest

from benchmarks.growing.costs import COMMANDS, PLOTTED
from benchmarks.growing.fits import growth
from benchmarks.growing.outlook import REAL_ROWS
from benchmarks.growing.page import page_of, plot_of, promises, verdicts
from benchmarks.growing.plot import rows_text
from benchmarks.growing.sources import Source, sources_of, text_bytes, write_sources
from benchmarks.growing.words import duration, size_text

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SIZES = (100_000, 1_000_000, 10_000_000)
FIGURES = {
    "seconds": 1e-5,
    "processor": 2e-5,
    "largest": 50,
    "first": 50,
    "together": 60,
    "read": 700,
    "written": 400,
    "disk_read": 0,
    "disk_written": 400,
}


def figures() -> dict[str, Any]:
    """Figures of commands that are exactly linear, and flat where they should be."""
    return {
        "machine": {
            "processor": "P",
            "architecture": "x",
            "cores": 2,
            "memory": 24 << 30,
            "system": "Linux 1",
        },
        "versions": {"python": "3"},
        "minutes": 20.0,
        "sizes": {str(size): measured(size) for size in SIZES},
        "wide": {**measured(SIZES[-2]), "text_bytes": 1_501},
    }


def measured(size: int) -> dict[str, Any]:
    kept = {name: [value * size] for name, value in FIGURES.items()} | {"others": [100e6]}
    flat = {name: [value * SIZES[0]] for name, value in FIGURES.items()} | {"others": [100e6]}
    drawn = {**kept, "largest": [80e6 + 9 * size]}
    return {
        "rows": size,
        "rounds": 1,
        "source_bytes": 300 * size,
        "text_bytes": 301,
        "taken": size * 3 // 4,
        "rejects": size // 25,
        "drawn_from": size * 3 // 5,
        "manifest_bytes": 50 * size,
        "dataset_bytes": 90 * size,
        "receipt_bytes": size // 60,
        "footer_bytes": size // 1_000,
        "measures": {
            **{name: flat if name == "build of a range" else kept for name in COMMANDS},
            "build of a draw": drawn,
        },
    }


def test_exponents_are_those_of_power_laws() -> None:
    for power in (0.0, 0.5, 1.0, 1.3):
        grows = growth({size: 3 * size**power for size in SIZES})
        assert [grows.overall, grows.last] == pytest.approx([power, power])
    grows = growth({10: 5.0, 20: 5.0, 40: 45.0})
    assert grows.last == pytest.approx(3.17, abs=0.01)
    assert grows.overall == pytest.approx(3.17 / 2, abs=0.01)
    assert grows.step == 2.0


def test_what_grows_as_it_should_has_no_verdict_and_what_does_not_has() -> None:
    honest = figures()
    assert verdicts(honest) == []
    assert "**" not in page_of(honest).replace("- **", "").replace("** ", "").replace(".**", "")
    steep = figures()
    steep["sizes"][str(SIZES[-1])]["measures"] = {
        **steep["sizes"][str(SIZES[-1])]["measures"],
        "audit": {name: [value * SIZES[-1] * 1.4] for name, value in FIGURES.items()} | {"others": [1e8]},
    }
    assert "audit: seconds grows with exponent 1.15" in verdicts(steep)
    assert "**1.15**" in page_of(steep)


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (("sizes", "build", "others", 200e6), "batches, never whole sources"),
        (("sizes", "build of a draw", "largest", 4e8), "except the keys"),
        (("sizes", "build of a range", "largest", 50e6), "only the files that hold it (memory)"),
        (("sizes", "build of a range", "read", 700e6), "the footers of those in front of it (bytes read)"),
        (("wide", "verify --dataset", "largest", 2e9), "no text is held"),
    ],
)
def test_a_promise_of_memory_that_does_not_hold_is_told(
    change: tuple[str, str, str, float], promise: str
) -> None:
    where, command, figure, value = change
    broken = json.loads(json.dumps(figures()))
    part = broken["sizes"][str(SIZES[-1])] if where == "sizes" else broken["wide"]
    part["measures"][command][figure] = [value]
    (told,) = [line for line in verdicts(broken) if promise in line]
    assert f"`{command}`" in told
    assert [holds for _, _, holds in promises(broken)].count(False) == 1
    assert page_of(broken).count("**no**") == 1


def test_the_page_has_every_number_put_in_and_is_the_same_each_time() -> None:
    page = page_of(figures())
    assert page == page_of(json.loads(json.dumps(figures())))
    assert not re.search(r"[${}]|nan|inf\b", page)
    for rows in REAL_ROWS:
        assert f"{rows:,}" in page
    assert "2^28 = 268,435,456" in page
    breaks = page.split("### What breaks first")[1].split("- **")[0]
    told = [
        int(cell.split("=")[-1].replace(",", ""))
        for cell in re.findall(r"^\| [^|]+ \| ([^|]+) \|", breaks, re.MULTILINE)[2:]
    ]
    assert told == sorted(told)
    assert len(told) > 10


def test_the_plot_is_xml_with_a_line_for_each_step_of_each_command() -> None:
    drawn = minidom.parseString(plot_of(figures()))  # noqa: S318 - our own
    lines = [
        line for line in drawn.getElementsByTagName("line") if "line" in line.getAttribute("class").split()
    ]
    assert len(lines) == 3 * len(PLOTTED) * (len(SIZES) - 1) + len(PLOTTED)  # and the legend's


def test_numbers_read_well() -> None:
    assert [rows_text(rows) for rows in (100_000, 20_000)] == ["10⁵", "20,000"]
    assert [duration(seconds) for seconds in (1.25, 90, 600, 7_300, 400_000)] == [
        "1.2 s",
        "90 s",
        "10 min",
        "2.0 h",
        "4.6 days",
    ]
    assert [size_text(size) for size in (100, 1_536, 3 << 30)] == ["100 bytes", "1.5 KiB", "3.0 GiB"]


def test_the_page_here_is_the_one_of_the_figures_here() -> None:
    path = BENCHMARKS / "growth.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: nobody has measured yet")
    written = json.loads(path.read_bytes())
    assert (BENCHMARKS / "GROWTH.md").read_text(encoding="utf-8") == page_of(written)
    assert (BENCHMARKS / "growth.svg").read_text(encoding="utf-8") == plot_of(written)


def test_what_is_planted_in_the_sources_is_what_they_say(tmp_path: Path) -> None:
    sources = sources_of(5_000)
    write_sources(tmp_path, sources)
    first = set(rows_of(tmp_path, sources["whole"]))
    for source in sources.values():
        rows = rows_of(tmp_path, source)
        traces = [row for row in rows if "</think>" in row[1]]
        assert len(rows) == source.rows
        assert len(rows) - len(traces) == source.unclosed > 0
        assert len(traces) - len(set(traces)) == source.repeated > 0
        shared = set(traces) & first if source.name != "whole" else set()
        assert len(shared) == source.shared
        prompt, response = traces[0]
        assert len(prompt + response) - len("<think></think>") == text_bytes()
    assert sources["fresh"].shared == 1


def rows_of(folder: Path, source: Source) -> list[tuple[str, str]]:
    if source.name == "lines":
        with (folder / "lines" / "lines.jsonl").open() as file:
            return [(row["prompt"], row["response"]) for row in map(json.loads, file)]
    parts = (pq.read_table(path).to_pylist() for path in sorted((folder / source.name).iterdir()))
    return [(row["prompt"], row["response"]) for part in parts for row in part]


BUSY = """
import subprocess, sys, time
held = b"a" * 100_000_000
other = "held = b'a' * 60_000_000; import time; time.sleep(0.6); open('/dev/null', 'wb').write(held[:5_000_000])"
subprocess.run([sys.executable, "-c", other], check=True)
open(sys.argv[1], "rb").read()
print("done")
sys.exit(3)
"""


def test_a_measured_command_is_told_with_its_memory_bytes_status_and_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(7_000_000))
    meter = str(BENCHMARKS / "growing" / "meter.py")
    command = [sys.executable, "-I", "-S", meter, sys.executable, "-c", BUSY, str(tmp_path / "file")]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (told["status"], told["out"], told["said"]) == (3, "done\n", "")
    found = told["figures"]
    assert 100e6 < found["first"] <= found["largest"] * 1.01 < 140e6
    assert 60e6 < found["others"] < 95e6
    assert 160e6 < found["together"] < 220e6
    assert 7e6 < found["read"] < 12e6
    assert 5e6 < found["written"] < 6e6
    assert found["seconds"] > 0.6
    assert found["processor"] > 0
