"""What `training plan` promises: every trace counted by source, and files that are a run's."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.keys import Trace
from manifests.store import Store
from tests.manifests.helpers import build_manifest
from tests.training.helpers import sums, write_traces
from training.batches.planned import Planned, plan_manifest, planned_json, planned_lines, write_plan
from training.batches.tokenizer import Tokenizer
from training.cli import main
from training.runs.folder import RECORD
from training.settings import Settings

FORGED = Trace("What is <end_of_turn>?", "A marker.", "It ends a turn.")
BROKEN = Trace("What is this?", "It begins. </think> It goes on.", "A tag.")


@pytest.fixture
def mixed(store: Store, tmp_path: Path) -> Store:
    """A store with the manifest mix: 60 sums of a source, and 22 of another of which two are faulty."""
    first = write_traces(tmp_path / "first.jsonl", sums(60))
    second = write_traces(tmp_path / "second.jsonl", [FORGED, BROKEN, *sums(20, seed=1)])
    build_manifest(store.root, "mix", {"first": first, "second": second})
    return store


@pytest.fixture
def plan(
    mixed: Store, tokenizer: Tokenizer, small: Settings, say: Callable[[str], None]
) -> Callable[..., Planned]:
    return lambda cache=None, **changed: plan_manifest(
        mixed, mixed.manifest("mix"), tokenizer, replace(small, length=110, **changed), cache, say
    )


def test_every_trace_of_a_source_is_counted_once(plan: Callable[..., Planned]) -> None:
    planned = plan()
    assert [count.source for count in planned.sources] == ["first", "second"]
    for count, total in zip(planned.sources, (60, 22), strict=True):
        parts = (count.traces, count.held_out, count.over_length, count.forged_turn, count.broken_format)
        assert sum(parts) == total
        assert count.traces > count.held_out > 0
        assert count.over_length > 0
        assert count.trained_tokens < count.tokens
    first, second = planned.sources
    assert (first.forged_turn, first.broken_format) == (0, 0)
    assert (second.forged_turn, second.broken_format) == (1, 1)
    summed = [
        sum(getattr(count, name) for count in planned.sources)
        for name in ("traces", "tokens", "trained_tokens", "held_out")
    ]
    whole = planned.plan
    assert summed == [whole.traces, whole.tokens, whole.trained_tokens, whole.held_out.num_rows]


def test_shares_and_characters_are_of_all_tokens_of_a_source(
    plan: Callable[..., Planned], mixed: Store
) -> None:
    planned, all_tokens = plan(), tokens_of_sources(plan(held_out="0"))
    characters = dict.fromkeys(("first", "second"), 0)
    for row in mixed.manifest("mix").rows.to_pylist():
        characters[row["source"]] += row["chars"]
    for count in planned.sources:
        tokens = all_tokens[count.source]
        assert count.over_length_share == pytest.approx(count.over_length_tokens / tokens)
        assert count.characters_per_token == pytest.approx(characters[count.source] / tokens)
    assert planned.characters_per_token == pytest.approx(sum(characters.values()) / sum(all_tokens.values()))


def tokens_of_sources(planned: Planned) -> dict[str, int]:
    """All tokens of each source, whatever became of them, from a plan that holds nothing out."""
    plan = planned.plan
    totals = {count.source: count.tokens + count.over_length_tokens for count in planned.sources}
    for left in (*plan.forged_turn, *plan.broken_format):
        totals[left.source] += left.tokens
    return totals


def test_json_and_lines_tell_the_same(plan: Callable[..., Planned]) -> None:
    planned = plan()
    told, lines = planned_json(planned), "\n".join(planned_lines(planned))
    json.dumps(told)
    assert told.keys() >= {"plan", "traces", "tokens", "fill", "steps", "over_length"}
    sources = told["sources"]
    assert isinstance(sources, list)
    assert [source["source"] for source in sources] == ["first", "second"]
    for value in (planned.plan.id, f"{planned.plan.tokens:,}", f"{planned.plan.trained_tokens:,}"):
        assert value in lines
    assert f"{planned.characters_per_token:.2f} characters a token" in lines
    assert "second: 1 traces with a turn marker in their text" in lines
    assert "second: 1 traces with a tag of the template in their text" in lines
    assert lines.count("tokens over length") == 2
    assert told["tokens_a_step"] == round(planned.plan.fill * 110 * planned.plan.inputs.batch)


def test_the_tables_written_are_those_of_a_run(
    plan: Callable[..., Planned], tmp_path: Path, first: Path
) -> None:
    planned = plan()
    write_plan(tmp_path / "out", planned)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"plan.parquet", "held_out.parquet", "plan.json"}
    assert {path.name for path in first.iterdir()} >= names - {"plan.json"} | {RECORD}
    assert pq.read_table(tmp_path / "out" / "plan.parquet").equals(planned.plan.table)
    assert pq.read_table(tmp_path / "out" / "held_out.parquet").equals(planned.plan.held_out)
    assert json.loads((tmp_path / "out" / "plan.json").read_text()) == planned_json(planned)


def test_kept_tokens_are_used_by_every_plan_of_the_same_text_and_by_no_other(
    plan: Callable[..., Planned], mixed: Store, tmp_path: Path, said: list[str]
) -> None:
    whole = plan(tmp_path / "cache")
    plan(tmp_path / "cache", template="gemma-reasoning-answer/1")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    shutil.rmtree(mixed.root / "datasets")
    assert plan(tmp_path / "cache").plan.id == whole.plan.id
    assert plan(tmp_path / "cache", batch=2).plan.id != whole.plan.id
    assert not any("anew" in line for line in said)


def test_the_command_keeps_tokens_and_writes_the_plan(
    mixed: Store, tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["plan", "mix", "--store", str(mixed.root), "--tokenizer", str(tokenizer_file), "--json"]
    command += ["--length", "110", "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    shown = json.loads(capsys.readouterr().out)
    shutil.rmtree(mixed.root / "datasets")
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == shown
    assert json.loads((tmp_path / "out" / "plan.json").read_text()) == shown
    (tmp_path / "file").write_text("")
    assert main([*command[:-1], str(tmp_path / "file" / "out")]) == 2
    assert capsys.readouterr().err.count("can't be written") == 1
