"""What the notebooks for Kaggle promise: they call the commands as these are, and work from top to bottom."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from manifests.cli import build_parser
from manifests.command import Parser, common_flags
from tests.training.helpers import record_of, unfinished
from tests.training.kaggle import ROOT, Kaggle, Session, execute, read, said_in
from training.cli import MODULES
from training.loop.budget import parse_budget
from training.models import MODELS

FOLDER = ROOT / "training" / "notebooks"
TRAIN, CONTINUE = FOLDER / "tunix_sft_train.ipynb", FOLDER / "tunix_sft_continue.ipynb"
both = pytest.mark.parametrize("notebook", [TRAIN, CONTINUE], ids=lambda path: path.stem)

MINIMAL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STEPS = ["choices", "commands", "install", "verify", "preflight", "train", "export", "sample", "report"]
CHOICE = re.compile(r'(\w+) = choice\("(\w+)", "([^"]*)"\)  # (\S.*)')


def code_of(notebook: Path) -> dict[str, str]:
    """The code cells, by id."""
    return {
        cell["id"]: "".join(cell["source"]) for cell in read(notebook)["cells"] if cell["cell_type"] == "code"
    }


def choices_of(notebook: Path) -> dict[str, str]:
    """The choices that a notebook leaves to its reader, with their defaults."""
    return {match[1]: match[3] for match in CHOICE.finditer(code_of(notebook)["choices"])}


def commands_of(notebook: Path) -> list[list[str]]:
    """The commands that the notebook would run in this environment, none of which is run."""
    commands: list[list[str]] = []
    names: dict[str, Any] = {}
    for name, code in code_of(notebook).items():
        exec(code, names)  # noqa: S102 - the cells of our own notebook
        if name == "commands":
            names["run"] = lambda *command, **_environment: commands.append(list(command))
    return commands


def parser_of(program: str) -> Parser:
    if program == "manifests":
        return build_parser()
    parser = Parser(prog=program)
    subcommands = parser.add_subparsers(required=True)
    for module in MODULES:
        module.add(subcommands, [common_flags()])
    return parser


@both
def test_it_is_committed_without_outputs_and_as_nbformat_writes_it(notebook: Path) -> None:
    content = read(notebook)
    nbformat.validate(content)
    written = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"  # as nbformat does
    assert notebook.read_text(encoding="utf-8") == written
    assert content["metadata"] == MINIMAL
    for cell in content["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@both
def test_its_steps_have_names_and_come_in_order_each_with_words_before_it(notebook: Path) -> None:
    cells = [(cell["id"], cell["cell_type"]) for cell in read(notebook)["cells"]]
    steps = [part for step in STEPS for part in ((f"{step}-words", "markdown"), (step, "code"))]
    assert cells == [("introduction", "markdown"), *steps, ("end", "markdown")]


@both
def test_every_choice_stands_in_one_cell_with_its_name_a_default_and_words(notebook: Path) -> None:
    choices, later = code_of(notebook)["choices"], "".join(list(code_of(notebook).values())[1:])
    assert choices.count(" = choice(") == len(choices_of(notebook))
    assert all(match[1] == match[2] for match in CHOICE.finditer(choices))
    assert "choice(" not in later
    assert "ZEROCOST" not in later
    assert all(re.search(rf"\b{name}\b", later) for name in choices_of(notebook) if name != "WORKING")


@both
def test_it_imports_nothing_but_the_standard_library_so_that_the_commands_have_the_tpu(
    notebook: Path,
) -> None:
    code = "\n".join(code_of(notebook).values())
    imported = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported}
    assert names == {"os", "pathlib", "shlex", "subprocess", "sys"}


def test_the_two_differ_in_what_they_train_on_alone() -> None:
    first, second = code_of(TRAIN), code_of(CONTINUE)
    assert [name for name in first if first[name] != second[name]] == ["choices", "train"]
    same = {"MANIFEST": "session2", "STORE": "/kaggle/input/datasets/OWNER/session2"}
    earlier = {"EARLIER": "/kaggle/input/notebooks/OWNER/tunix-sft-train/run1"}
    assert choices_of(CONTINUE) == choices_of(TRAIN) | same | earlier


@both
@pytest.mark.parametrize("given", [{}, {"TOKENIZER": "t", "CONFIG": "c", "STEPS": "3", "RESUME": "r"}])
def test_every_command_is_one_of_ours_with_flags_that_it_has(
    notebook: Path, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ZEROCOST_{name}", value)
    chosen = choices_of(notebook) | given
    commands = [command for command in commands_of(notebook) if command[0] in ("manifests", "training")]
    asked = {command[1]: parser_of(command[0]).parse_args(command[1:]) for command in commands}
    assert list(asked) == ["verify", "preflight", "run", "export", "sample", "report"]
    for verb in ("preflight", "run"):
        options = asked[verb]
        assert (options.id, str(options.store)) == (chosen["MANIFEST"], chosen["STORE"])
        assert options.model in MODELS
        assert str(options.base) == chosen["BASE"]
        assert (str(options.tokenizer or ""), str(options.config or "")) == (
            chosen["TOKENIZER"],
            chosen["CONFIG"],
        )
        assert str(options.steps or "") == chosen["STEPS"]
    assert 8 * 3600 < parse_budget(asked["run"].budget) < 9 * 3600
    # What takes longer than a session is trained in several: it is no reason to end before the first.
    assert asked["preflight"].budget is None
    assert code_of(notebook)["preflight"].endswith('JAX_PLATFORMS="cpu")')  # it needs no TPU, and takes none
    assert str(asked["run"].resume_from or "") == chosen["RESUME"]
    assert str(asked["run"].continue_from or "") == chosen.get("EARLIER", "")
    out = asked["run"].out
    assert {asked[verb].run for verb in ("export", "sample", "report")} == {out}
    assert {asked["export"].out.parent, asked["report"].out.parent} == {out.parent}


@both
def test_with_tiny_no_weights_are_asked_for(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROCOST_BASE", "")
    assert not any("--base" in command for command in commands_of(notebook))


def test_what_is_installed_goes_into_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    venv = choices_of(TRAIN)["VENV"]
    for index in ("", "yes"):
        monkeypatch.setenv("ZEROCOST_INDEX", index)
        making, *installing = commands_of(TRAIN)[: 3 if index else 2]
        assert making == [sys.executable, "-m", "venv", venv]
        assert {command[0] for command in installing} == {f"{venv}/bin/python"}
        # The project is on no index: it comes from the attached folder, whatever an index may have of that name.
        assert "--no-index" in installing[-1]
        assert installing[-1][-1].startswith("tunix-zero-cost")
        assert ("--require-hashes" in installing[0]) == bool(index)
    monkeypatch.setenv("ZEROCOST_VENV", sys.prefix)
    assert not any("pip" in command for command in commands_of(TRAIN))


def helper_process(body: str, **environment: str) -> "subprocess.Popen[str]":
    """A process that runs `body` behind the cells with the choices and the helpers."""
    cells = code_of(TRAIN)
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join((cells["choices"], cells["commands"], body))],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_command_is_shown_and_its_words_are_and_its_failure_ends_everything() -> None:
    process = helper_process('run("sh", "-c", "echo one; echo two >&2; exit 3")\nprint("not here")')
    out, errors = process.communicate(timeout=60)
    assert out == "$ sh -c 'echo one; echo two >&2; exit 3'\none\ntwo\n"
    assert errors.endswith("returned non-zero exit status 3.\n")


def test_what_leads_to_the_packages_of_the_image_is_kept_from_the_commands(tmp_path: Path) -> None:
    shown = "import os, sys; print(sys.argv[1:], {name: os.environ.get(name) for name in sys.argv[1:]})"
    names = ["PYTHONPATH", "TPU_LIBRARY_PATH", "JAX_PLATFORMS", "PATH"]
    process = helper_process(
        f"show = [sys.executable, '-c', {shown!r}, *{names!r}]; run(*show); run(*show, JAX_PLATFORMS='cpu')",
        PYTHONPATH=str(tmp_path),
        TPU_LIBRARY_PATH="/lib/libtpu.so",
        ZEROCOST_VENV="/venv",
    )
    out, errors = process.communicate(timeout=60)
    assert errors == ""
    told = "{'PYTHONPATH': None, 'TPU_LIBRARY_PATH': None, 'JAX_PLATFORMS': '%s', 'PATH': '/venv/bin:"
    for shown, line in zip(("tpu,cpu", "cpu"), out.splitlines()[1::2], strict=True):
        assert told % shown in line
    assert out.splitlines()[2].startswith("$ JAX_PLATFORMS=cpu ")


def test_a_command_that_is_interrupted_may_say_its_last_words() -> None:
    last = "trap 'sleep 0.5; echo written; exit 130' INT; echo ready; while :; do sleep 0.1; done"
    process = helper_process(f'run("sh", "-c", {last!r})')
    assert process.stdout is not None
    assert process.stdout.readline().startswith("$ sh")
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert out == "written\n\n"
    assert errors.endswith("KeyboardInterrupt\n")


@both
def test_a_step_that_fails_ends_the_notebook_there(notebook: Path, tmp_path: Path) -> None:
    chosen = {"MANIFEST": "nobodys", "STORE": tmp_path / "store", "VENV": sys.prefix, "WORKING": tmp_path}
    ended = execute(notebook, tmp_path / "done.ipynb", tmp_path, chosen)
    assert ended.returncode == 1
    assert "returned non-zero exit status 2" in ended.stderr
    said = said_in(tmp_path / "done.ipynb")
    assert "\nmanifests: error: 'nobodys': no manifest of that name" in said["verify"]
    assert [name for name in said if said[name]] == ["verify"]


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Kaggle:
    return Kaggle(tmp_path_factory.mktemp("kaggle"))


@pytest.fixture(scope="module")
def trained(kaggle: Kaggle) -> Session:
    """A session with the first notebook, which installs the project from its wheel."""
    return kaggle.session(TRAIN, "session1", "tunix-sft-train")


@pytest.fixture(scope="module")
def continued(kaggle: Kaggle, trained: Session) -> Session:
    """A later one with the second notebook and the output of the first."""
    return kaggle.session(CONTINUE, "session2", "tunix-sft-continue", EARLIER=trained.output / "run1")


def check_said(session: Session, run: str) -> None:
    """Every step did what it is for, and the output is what the last cell says."""
    said = session.said
    assert "rows, each is the manifest's\n" in said["verify"]
    assert "\nmemory      fits: " in said["preflight"]
    assert f"{run}: finished, 2 of 2 steps" in said["train"]
    assert f"{run}-peft" in said["export"]
    assert "\n4 tokens, " in said["sample"]
    assert sorted(path.name for path in session.output.iterdir()) == [run, f"{run}-peft", f"{run}.html"]
    assert (session.output / f"{run}-peft" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_the_first_notebook_installs_the_wheel_and_trains_on_session_1(
    kaggle: Kaggle, trained: Session
) -> None:
    check_said(trained, "run1")
    assert "tunix-zero-cost[tpu,train]" in trained.said["install"]
    (installed,) = kaggle.venv.glob("lib/*/site-packages/training/cli.py")
    assert installed.read_bytes() == (ROOT / "training" / "cli.py").read_bytes()


@pytest.mark.slow
def test_the_second_goes_on_with_session_2_from_the_output_of_the_first(
    trained: Session, continued: Session
) -> None:
    check_said(continued, "run2")
    assert continued.said["install"] == ""
    first, second = record_of(trained.output / "run1"), record_of(continued.output / "run2")
    assert second["continued_from"]["adapter_digest"] == first["adapter_digest"]
    assert second["manifest"] != second["continued_from"]["manifest"] == first["manifest"]


@pytest.mark.slow
def test_a_second_notebook_that_was_cut_off_goes_on_from_its_own_output(
    kaggle: Kaggle, trained: Session, continued: Session
) -> None:
    cut_off = unfinished(continued.output / "run2", kaggle.notebooks / "cut-off" / "run2")
    shutil.rmtree(cut_off / "checkpoints" / "2")
    choices = {"EARLIER": trained.output / "run1", "RESUME": cut_off}
    resumed = kaggle.session(CONTINUE, "session2", "resumed", **choices)
    check_said(resumed, "run2")
    assert "resumed from 1" in resumed.said["train"]
    records = [record_of(session.output / "run2") for session in (continued, resumed)]
    assert records[0]["adapter_digest"] == records[1]["adapter_digest"]
