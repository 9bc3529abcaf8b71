"""What an opened run promises: the network that was trained, or one line on what stands in the way; and asking it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.helpers import Requests, files_below, record_of, sums
from training.batches.templates import encode_prompts
from training.cli import main
from training.errors import BaseError, RunFolderError, SettingsError, TrainingError
from training.network.gemma import adapter_tensors
from training.network.tensors import tensors_digest
from training.replies.ask import Question, ask
from training.replies.reply import Lapse
from training.runs import folder
from training.runs.opened import Opened, open_run, recorded_settings
from training.settings import Settings

PROMPT = sums(1)[0].prompt


@pytest.fixture(scope="module")
def opened(first: Path) -> Opened:
    return open_run(first, None)


@pytest.fixture
def copied(tmp_path: Path, first: Path) -> Path:
    return shutil.copytree(first, tmp_path / "run")


def test_an_opened_run_has_what_it_was_trained_with(
    opened: Opened, first: Path, small: Settings, request_for: Requests
) -> None:
    record = record_of(first)
    assert tensors_digest(adapter_tensors(opened.network)) == record["adapter_digest"]
    assert opened.tokenizer.digest == request_for("one", first).tokenizer.digest
    assert opened.settings == small
    assert opened.model.name == "tiny"


def test_opening_and_asking_change_nothing_in_the_folder(copied: Path) -> None:
    before = files_below(copied)
    ask(open_run(copied, None), Question(PROMPT, most=2))
    assert files_below(copied) == before


def rewritten(run: Path, **changed: object) -> Path:
    """The run with another record, as somebody would write it who knows the form."""
    folder.write_record(run, {**folder.read_record(run), **changed})
    return run


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"status": "running"}, RunFolderError, "has no adapter yet"),
        ({"base_digest": "00"}, BaseError, "trained on a base with digest 00, drawn has"),
        ({"tokenizer": "00"}, RunFolderError, "run.json says 00; the run is damaged"),
        ({"model": "huge"}, TrainingError, "model 'huge' is not known"),
        ({"model": None}, TrainingError, "model 'None' is not known"),
        ({"settings": None}, RunFolderError, r"not those of this version \(none at all\)"),
        ({"settings": {"length": 3}}, RunFolderError, r"not those of this version \(alpha, batch"),
        ({"adapter_digest": "00"}, RunFolderError, "says 00; the run is damaged"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_in_one_line(
    copied: Path, changed: dict[str, object], kind: type[TrainingError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        open_run(rewritten(copied, **changed), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("rank", "four", "settings: rank = 'four': expected an integer from 1"),
        ("rank", 0, "rank = 0"),
        ("learning_rate", float("inf"), "learning_rate = Infinity: expected a number above 0"),
        ("held_out", "most", "held_out = 'most': expected a decimal"),
        ("precision", "float8", "precision = 'float8': expected float32 or bfloat16"),
        ("steps", -1, "steps = -1"),
    ],
)
def test_recorded_settings_are_checked_one_by_one(
    first: Path, small: Settings, key: str, value: object, message: str
) -> None:
    record = folder.read_record(first)
    with pytest.raises(SettingsError, match=message):
        recorded_settings(first, {**record, "settings": {**record["settings"], key: value}}, small)


def test_an_adapter_of_another_shape_is_refused(copied: Path) -> None:
    record = folder.read_record(copied)
    with pytest.raises(RunFolderError, match=r"its adapter's layers.0.* is \(.*\), expected \("):
        open_run(rewritten(copied, settings={**record["settings"], "rank": 8}), None)


def test_a_base_where_none_is_needed_is_refused(first: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="draws its weights from a seed"):
        open_run(first, tmp_path)


def test_a_reply_comes_in_its_parts_and_says_whether_it_keeps_the_format(opened: Opened) -> None:
    answered = ask(opened, Question(PROMPT))
    assert answered == ask(opened, Question(PROMPT))
    assert (answered.lapse is None) == (answered.reasoning is not None and bool(answered.answer))
    short = ask(opened, Question(PROMPT, most=1))
    assert (short.tokens, short.answer) == (1, None)
    assert short.lapse in {Lapse.NEVER_OPENED, Lapse.NEVER_CLOSED}


def test_draws_differ_with_the_seed(opened: Opened) -> None:
    replies = [ask(opened, Question(PROMPT, temperature=2.0, seed=seed, most=20)).reply for seed in (1, 1, 2)]
    assert replies[0] == replies[1] != replies[2]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(" \n"), "--prompt: empty"),
        (Question("\ud800"), "--prompt: not UTF-8"),
        (Question("a <end_of_turn> b"), "--prompt: a turn marker stands in it"),
        (Question("word " * 200), "no room for a reply"),
        (Question("word", most=1000), "no room for --most 1,000"),
        (Question("word", most=0), "a reply of at most 0 tokens"),
        (Question("word", temperature=-1.0), "temperature -1.0: expected 0"),
        (Question("word", seed=-1), "--seed -1: expected"),
        (Question("word", seed=2**63), "--seed 9223372036854775808: expected"),
    ],
)
def test_what_can_not_be_asked_is_refused(opened: Opened, question: Question, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ask(opened, question)


def test_a_reply_may_take_all_that_the_prompt_leaves_and_no_more(opened: Opened) -> None:
    [ids] = encode_prompts(opened.tokenizer, ["word"])
    for room in (1, 2):
        tight = replace(opened, settings=replace(opened.settings, length=len(ids) + room))
        assert ask(tight, Question("word", temperature=5.0)).tokens == room
        with pytest.raises(SettingsError, match=f"no room for --most {room + 1}"):
            ask(tight, Question("word", most=room + 1))
    full = replace(opened, settings=replace(opened.settings, length=len(ids)))
    with pytest.raises(SettingsError, match="no room for a reply"):
        ask(full, Question("word"))


def test_the_command_prints_reasoning_and_answer(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sample", str(first), "--prompt", PROMPT, "--most", "30"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == {"run", "reasoning", "answer", "reply", "tokens", "keeps_format", "lapse"}
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "tokens, " in printed
    assert all(line.isprintable() for line in printed.splitlines())


def test_the_command_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(tmp_path / "none"), "--prompt", "word"]) == 2
    assert main(["sample", str(tmp_path / "none"), "--prompt", "word", "--temperature", "nan"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "not a run (there is no such folder)" in first
    assert "temperature nan: expected 0" in second
