"""What the page of a run promises: all there is to know of it, of every kind of run, and nothing of it runs."""

import html
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.training.helpers import files_below, record_of
from training.cli import main
from training.errors import RunFolderError
from training.report.document import run_page
from training.report.gather import gather
from training.report.mix import left_out
from training.report.write import write_report
from training.runs import folder
from training.runs.lines import append_line
from training.runs.metrics import METRICS
from training.watch.pace import PACE
from training.watch.samples import SAMPLES

BAD = (
    '</style></script><script>alert(1)</script><img src=x onerror="alert(1)">\'&\u202e\x00\ud800' + "W" * 3000
)


@pytest.fixture
def copied(tmp_path: Path, first: Path) -> Path:
    return shutil.copytree(first, tmp_path / "run")


@pytest.fixture
def sampled(copied: Path) -> Path:
    """The run with samples of two times of asking."""
    for step, reply, lapse in (
        (0, "dunno", "the reasoning was never opened"),
        (9, "<think>1</think>2", None),
    ):
        for place in (3, 5):
            append_line(
                copied / SAMPLES,
                {
                    "step": step,
                    "sample": place,
                    "source": "sums",
                    "prompt": f"What is {place}?",
                    "reply": reply,
                    "tokens": 4,
                    "lapse": lapse,
                },
            )
    return copied


class Page(HTMLParser):
    """A page as a browser sees it: its text, its elements, the values of its `data`, the words it hides nowhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(run: Path) -> Page:
    return Page(run_page(gather(run)))


def test_a_page_says_what_was_trained_on_what(first: Path) -> None:
    record, told = record_of(first), page_of(first).text
    for key in ("manifest", "content_digest", "plan", "tokenizer", "base_digest", "adapter_digest"):
        assert record[key] in told, key
    assert "tiny on one" in told
    assert f"{record['steps']} of {record['steps']} steps done" in told
    assert f"{record['held_out_first']['loss']:.4f} before" in told
    assert f"{record['held_out_last']['loss']:.4f} after" in told
    assert record["versions"]["jax"] in told if "versions" in record else True
    assert "A new adapter: no run stands before this one." in told
    for name in record["settings"]:
        assert record["settings"][name] is None or name in told


def test_a_page_counts_the_mix_as_the_plan_has_it(first: Path) -> None:
    record, gathered = record_of(first), gather(first)
    [source] = gathered.mix
    assert (source.source, source.traces, source.tokens) == ("sums", record["traces"], record["tokens"])
    assert source.held_out == record["held_out_traces"]
    assert gathered.consumed.traces == record["traces"]
    [over] = record["over_length"]
    assert left_out(record, "over_length") == {"sums": (over["traces"], over["tokens"])}
    assert f"({over['tokens']:,} tokens of them)" in page_of(first).text
    useful = sum(json.loads(line)["useful"] for line in (first / METRICS).read_text().splitlines())
    assert gathered.consumed.tokens == useful


def test_a_run_that_went_on_from_another_says_from_which(second: Path, first: Path) -> None:
    told = page_of(second).text
    assert record_of(first)["manifest"] in told
    assert record_of(first)["adapter_digest"] in told


def test_every_curve_is_there(sampled: Path) -> None:
    page = page_of(sampled)
    for title in (
        "Loss",
        "Held-out loss by source",
        "Learning rate",
        "Gradient norm",
        "Speed",
        "Format kept",
    ):
        assert title in page.words
    assert page.elements.count("figure") == 6


def test_samples_stand_side_by_side_with_their_verdict(sampled: Path) -> None:
    told = page_of(sampled).text
    assert "0 of 2 before the first step, 2 of 2 behind step 9" in told
    assert told.count("the reasoning was never opened") == 2
    assert "What is 5?" in told
    assert "Format kept by 0% of the samples at first, 100% at last." in told


@pytest.mark.parametrize(
    "missing", [(SAMPLES, PACE), (SAMPLES, PACE, METRICS, "adapter/adapter.safetensors")]
)
@pytest.mark.parametrize("status", ["running", "stopped", "finished"])
def test_a_page_is_made_of_whatever_a_run_has_so_far(
    copied: Path, status: str, missing: tuple[str, ...]
) -> None:
    record = folder.read_record(copied)
    record = {key: value for key, value in record.items() if not key.startswith(("held_out_", "adapter"))}
    folder.write_record(copied, {**record, "status": status})
    for name in missing:
        (copied / name).unlink(missing_ok=True)
    page = page_of(copied)
    assert ("data-status", status) in page.attributes
    assert "No loss of held-out traces was measured." in page.text
    if METRICS in missing:
        assert "0 of " in page.text
        assert page.words.count("Nothing measured yet.") == 4


def test_a_step_that_is_being_written_is_left_out(copied: Path) -> None:
    whole = run_page(gather(copied))
    with (copied / METRICS).open("a") as file:
        file.write('{"step": 99, "lo')
    assert run_page(gather(copied)) == whole


def test_the_same_run_gives_the_same_bytes(first: Path) -> None:
    assert run_page(gather(first)) == run_page(gather(first))


def test_nothing_hostile_gets_into_the_page_as_more_than_text(sampled: Path) -> None:
    gathered = gather(sampled)
    plain = Page(run_page(gathered))
    samples = tuple(replace(one, prompt=BAD, reply=BAD, source=BAD, lapse=BAD) for one in gathered.samples)
    nan = float("nan")
    metrics = tuple(
        replace(one, loss=nan, gradient_norm=float("inf"), learning_rate=1e308, by_source={BAD: 1.0})
        for one in gathered.metrics
    )
    record = {
        **gathered.record,
        **dict.fromkeys(("manifest_name", "model", "plan", "status", "sessions", "over_length"), BAD),
        "settings": {BAD: BAD, "length": [BAD]},
        "held_out_first": {"loss": nan, "by_source": {BAD: 3, "x": BAD}},
        "held_out_last": [BAD],
        "steps": BAD,
        "continued_from": {"manifest": {BAD: [BAD]}, "continued_from": {"steps": BAD}},
        "broken_format": [{"source": BAD, "traces": 1, "tokens": 2}, BAD, {"traces": 1, "tokens": 1}],
    }
    mix = tuple(replace(one, source=BAD) for one in gathered.mix)
    text = run_page(replace(gathered, samples=samples, metrics=metrics, record=record, mix=mix))
    page = Page(text)
    assert set(page.elements) <= {*plain.elements, "span"}
    assert not {
        name for name, _ in page.attributes if name.startswith("on") or name in {"style", "href", "src"}
    }
    assert text.count("</style>") == 1
    assert not re.search("[\x00\u202e\ud800]", text)
    assert html.escape("<script>alert(1)</script>") in text
    assert page.elements.count("script") == 0


def test_a_page_needs_nothing_else_and_runs_nothing(first: Path) -> None:
    text = run_page(gather(first))
    [policy] = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search("https?://", text.split("</style>")[1])
    assert not re.search(r"style=|url\(|@import", text)


def test_a_lineage_of_any_depth_is_told_so_far(first: Path) -> None:
    gathered = gather(first)
    ancestor: dict[str, object] | None = None
    for steps in range(500):
        ancestor = {"steps": steps, "continued_from": ancestor}
    told = Page(run_page(replace(gathered, record={**gathered.record, "continued_from": ancestor}))).text
    assert "499 steps" in told
    assert "and runs before that" in told


def test_the_command_writes_the_page_and_leaves_the_run_alone(
    tmp_path: Path, first: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_below(first)
    out = tmp_path / "page.html"
    assert main(["report", str(first), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": str(first), "report": str(out)}
    assert out.read_text(encoding="utf-8") == run_page(gather(first))
    assert files_below(first) == before


def test_a_place_that_can_not_be_written_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for out in (tmp_path, tmp_path / "none" / "page.html", tmp_path / "link"):
        assert main(["report", "nowhere", "--out", str(out)]) == 2
    folder_told, missing, link = capsys.readouterr().err.splitlines()
    assert "a folder; give the page a file name" in folder_told
    assert "there is no folder" in missing
    assert "something else than a file stands there" in link


@pytest.mark.parametrize("name", ["plan.parquet", "held_out.parquet", "keys.parquet"])
def test_a_run_that_is_damaged_is_told(copied: Path, name: str) -> None:
    (copied / name).write_bytes(b"PAR1")
    with pytest.raises(RunFolderError, match="the run is damaged"):
        write_report(copied, copied.parent / "page.html")
