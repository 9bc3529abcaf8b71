"""What the notebooks for Kaggle promise: they call the commands as these are, and work from top to bottom."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from manifests.cli import build_parser
from manifests.command import Parser, common_flags
from tests.manifests.helpers import _HELD_TO_PERMISSIONS, read_only
from tests.training.helpers import files_below, record_of, unfinished
from training.cli import MODULES
from training.loop.budget import parse_budget
from training.models import MODELS

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "training" / "notebooks"
TRAIN, CONTINUE = FOLDER / "tunix_sft_train.ipynb", FOLDER / "tunix_sft_continue.ipynb"
both = pytest.mark.parametrize("notebook", [TRAIN, CONTINUE], ids=lambda path: path.stem)

MINIMAL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STEPS = ["choices", "commands", "install", "verify", "preflight", "train", "export", "sample", "report"]
CHOICE = re.compile(r'(\w+) = choice\("(\w+)", "([^"]*)"\)  # (\S.*)')

# As Kaggle does it: another process, which knows the notebook's file and the folder to work in.
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook, done, working = sys.argv[1:]
cells = nbformat.read(notebook, as_version=4)
client = NotebookClient(cells, timeout=600, kernel_name="python3", resources={"metadata": {"path": working}})
try:
    client.execute()
finally:
    nbformat.write(cells, done)
"""


def read(notebook: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return content


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
    assert nbformat.writes(nbformat.from_dict(content)) + "\n" == notebook.read_text(encoding="utf-8")
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
        assert 8 * 3600 < parse_budget(options.budget) < 9 * 3600
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
        f"run(sys.executable, '-c', {shown!r}, *{names!r}, JAX_PLATFORMS='cpu')",
        PYTHONPATH=str(tmp_path),
        TPU_LIBRARY_PATH="/lib/libtpu.so",
        ZEROCOST_VENV="/venv",
    )
    out, errors = process.communicate(timeout=60)
    assert errors == ""
    assert "'PYTHONPATH': None, 'TPU_LIBRARY_PATH': None, 'JAX_PLATFORMS': 'cpu', 'PATH': '/venv/bin:" in out
    assert out.startswith("$ JAX_PLATFORMS=cpu ")


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


@dataclass(frozen=True)
class Session:
    """What a session leaves: what each cell said, and its output, where the next session finds it as an input."""

    said: dict[str, str]
    output: Path


class Kaggle:
    """Kaggle's folders below `place`, with the inputs of both notebooks."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.datasets = place / "input" / "datasets" / "someone"
        self.notebooks = place / "input" / "notebooks" / "someone"
        self.venv = place / "temp" / "zerocost"
        self.notebooks.mkdir(parents=True)
        for session in ("session1", "session2"):
            ours("curation", "build", f"demo-{session}", "--store", place / "store")
            flags = ["--store", place / "store", "--format", "kaggle", "--out", self.datasets / session]
            ours("manifests", "export", f"demo-{session}", *flags)
        wheel = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
        ours("pip", *wheel, self.datasets / "wheels", ROOT)
        (self.datasets / "settings.toml").write_text("checkpoint_every = 1\n")
        self._lend_libraries()

    def _lend_libraries(self) -> None:
        """Let the environment to be made find what this one holds, but for the project: it is too much to install."""
        library = Path(sysconfig.get_path("purelib"))
        lent, place = self.place / "lent", self.venv / library.relative_to(sys.prefix)
        lent.mkdir()
        place.mkdir(parents=True)
        for path in library.iterdir():
            if "tunix_zero_cost" not in path.name:
                (lent / path.name).symlink_to(path)
        (place / "lent.pth").write_text(f"{lent}\n")

    def session(self, notebook: Path, manifest: str, output: str, **choices: object) -> Session:
        """Run a notebook on the CPU, from an empty working folder and with inputs that can't be written."""
        working, done = self.place / "working", self.place / f"{output}.ipynb"
        working.mkdir()
        chosen = {
            "MANIFEST": f"demo-{manifest}",
            "STORE": self.datasets / manifest,
            "MODEL": "tiny",
            "BASE": "",
            "CONFIG": self.datasets / "settings.toml",
            "STEPS": 2,
            "PLATFORMS": "cpu",
            "MOST": 4,
            "WHEELS": self.datasets / "wheels",
            "VENV": self.venv,
            "WORKING": working,
            **choices,
        }
        with read_only(self.place / "input") as given:
            before = files_below(given)
            ended = execute(notebook, done, working, chosen)
            assert ended.returncode == 0, ended.stderr[-3000:]
            assert files_below(given) == before
        working.rename(self.notebooks / output)
        return Session(said_in(done), self.notebooks / output)


def ours(module: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, capture_output=True)


def execute(
    notebook: Path, done: Path, working: Path, chosen: Mapping[str, object]
) -> "subprocess.CompletedProcess[str]":
    """Run a notebook as a user whom permissions bind; what it became is in `done`, also when it fails."""
    home = {name: str(done.parent / "home") for name in ("HOME", "XDG_CACHE_HOME", "JUPYTER_RUNTIME_DIR")}
    return subprocess.run(
        [sys.executable, "-c", _HELD_TO_PERMISSIONS, "-c", EXECUTE, str(notebook), str(done), str(working)],
        env={**os.environ, **home, **{f"ZEROCOST_{name}": str(value) for name, value in chosen.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


def said_in(notebook: Path) -> dict[str, str]:
    """What each code cell printed."""
    return {
        cell["id"]: "".join("".join(output.get("text", "")) for output in cell["outputs"])
        for cell in read(notebook)["cells"]
        if cell["cell_type"] == "code"
    }


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
    assert "dataset" in said["verify"]
    assert "\nmemory      fits: " in said["preflight"]
    assert "/run" in said["train"]
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
    parent = record_of(continued.output / "run2")["continued_from"]
    print(parent)


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
