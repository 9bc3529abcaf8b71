"""The commands: one JSON object or lines for people, one line for an error, and the exit status."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.cli import main
from manifests.command import Parser, default_store, printable, run
from manifests.errors import CommandError, VerificationError
from manifests.store import Store
from tests.manifests.command_line import Output, answer, complaint, lines
from tests.manifests.helpers import files_below, parts_of, publish, read_only, run_python, traces

ONE, OTHER, APART = (
    parts_of(traces(4), dropped=1),
    parts_of(traces(4, first=3)),
    parts_of(traces(3, first=90)),
)
A, B, C = ONE.identity.id, OTHER.identity.id, APART.identity.id
HOSTILE = "\x1b[2J\r\n\x07\u202e"


@pytest.fixture
def store(store_path: Path) -> Store:
    """A store with three manifests, mix:1, mix:2 and apart:1; all three say that their rows are those of one file."""
    store = Store(store_path, behind=())
    publish(store, ONE)
    publish(store, OTHER)
    publish(store, APART, "apart")
    return store


def test_audit_fails_with_status_1_exactly_when_a_tier_asked_for_is_not_empty(
    store: Store, capsys: Output
) -> None:
    shared = answer(store, "audit", "mix:1", "mix:2", status=1, capsys=capsys)
    assert isinstance(shared["examples"], dict)
    assert shared["examples"].pop("near", []) == []
    expected = {
        "a": A,
        "b": B,
        "same_row": 4,
        "same_content": 2,
        "same_prompt": 2,
        "near_duplicate": None,
        "tiers": ["row", "content"],
        "overlap": True,
        "examples": {
            "row": ["traces:1 = traces:1", "traces:2 = traces:2", "traces:3 = traces:3"],
            "content": ["traces:3 = traces:1", "traces:4 = traces:2"],
            "prompt": ["traces:3 = traces:1", "traces:4 = traces:2"],
        },
    }
    assert {key: shared[key] for key in expected} == expected
    for tiers, status in (
        ("content", 0),
        ("prompt", 0),
        ("row", 1),
        (" content , row,", 1),
        ("content,prompt", 0),
    ):
        told = answer(store, "audit", A, C, "--tiers", tiers, status=status, capsys=capsys)
        assert told["overlap"] is (status == 1)
        assert (told["same_row"], told["same_content"], told["same_prompt"]) == (3, 0, 0)
    assert lines(store, "audit", A, C, "--tiers", "prompt", capsys=capsys)[-1] == "no overlap by prompt"
    assert lines(store, "audit", A, B, status=1, capsys=capsys)[-1] == "OVERLAP: they share by row or content"
    assert "named twice" in complaint("audit", A, A, "--store", str(store.root), capsys=capsys)


@pytest.mark.parametrize("tiers", ["rows", "near", "row,near", "row;content", "", ",", HOSTILE])
def test_an_audit_by_an_unknown_tier_is_a_wrong_request(tiers: str, store: Store, capsys: Output) -> None:
    said = complaint("audit", A, B, "--tiers", tiers, "--store", str(store.root), capsys=capsys)
    assert "tier" in said


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            [],
            ["frobnicate"],
            ["list", "--frobnicate"],
            ["list", "more"],
            ["show"],
            ["show", "a", "b"],
            ["verify"],
        ),
        *(["audit", "a"], ["audit", "a", "b", "c"], ["list", "--store"], ["--json"], ["list", "--json=yes"]),
        *(
            ["show", "../x"],
            ["show", "Mix"],
            ["show", "nobody"],
            ["show", "mix:0"],
            ["show", "0" * 64],
            ["show", ""],
        ),
        *(
            ["verify", HOSTILE],
            ["audit", "nobody", HOSTILE],
            ["show", "mix:" + HOSTILE],
            ["list", "--" + HOSTILE],
        ),
        *(["show", "x" * 5_000], ["list", "--store", "x" * 5_000]),
    ],
    ids=repr,
)
def test_a_wrong_request_is_one_printable_line_and_status_2(
    arguments: list[str], store_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("ZEROCOST_STORE", str(store_path))
    complaint(*arguments, capsys=capsys)
    assert not store_path.exists()


def test_a_wrong_option_points_to_the_help_of_its_command(capsys: Output) -> None:
    assert complaint("show", capsys=capsys).endswith("; see 'manifests show --help'")


@pytest.mark.parametrize("arguments", [["list"], ["show", "mix"], ["verify", "mix"]], ids=" ".join)
def test_a_store_that_is_a_file_is_a_wrong_request(
    arguments: list[str], tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "file").write_text("")
    said = complaint(*arguments, "--store", str(tmp_path / "file"), capsys=capsys)
    assert "a store is a folder, this is a file" in said


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["verify"], ["audit"]])
def test_every_command_has_help(command: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    output, errors = capsys.readouterr()
    assert output.startswith(" ".join(["usage: manifests", *command]))
    assert errors == ""


def test_the_store_is_the_one_asked_for_else_that_of_the_environment_else_store_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZEROCOST_STORE", "from-environment")
    assert default_store(Path("asked")) == Path("asked")
    assert default_store(None) == Path("from-environment")
    for absent in ("", None):
        monkeypatch.delenv("ZEROCOST_STORE")
        if absent is not None:
            monkeypatch.setenv("ZEROCOST_STORE", absent)
        assert default_store(None) == Path("store")


def test_what_a_manifest_says_of_itself_can_t_move_the_cursor(store_path: Path, capsys: Output) -> None:
    store = Store(store_path, behind=())
    path = HOSTILE.replace("/", "").replace("\0", "")
    source = APART.identity.sources[0]
    false = APART.changed(sources=(replace(source, files=(replace(source.files[0], path=path),)),))
    manifest = publish(store, false)
    receipt = json.loads((manifest.folder / "receipt.json").read_text())
    (manifest.folder / "receipt.json").write_text(json.dumps({**receipt, "name": HOSTILE + "\ud800"}))
    assert "\\x1b[2J\\r\\n\\x07" in "\n".join(lines(store, "show", "mix", capsys=capsys))
    publish(store, OTHER, "other")
    assert "\\ud800" in lines(store, "audit", "mix", "other", status=1, capsys=capsys)[0]
    for command in ("show", "verify"):
        assert answer(store, command, "mix", capsys=capsys)["id"] == manifest.id


@given(st.text())
def test_printable_text_is_one_line_that_says_what_was_there(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


def test_control_characters_are_shown_as_escapes() -> None:
    assert printable("a\nb\r\x1b[31m\x9b\u2028é😀\ud800") == "a\\nb\\r\\x1b[31m\\x9b\\u2028é😀\\ud800"


def raising(error: BaseException) -> Parser:
    def handler(_options: object) -> int:
        raise error

    parser = Parser(prog="test")
    parser.set_defaults(handler=handler)
    return parser


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (CommandError("no\nsuch thing"), 2, "test: error: no\\nsuch thing"),
        (VerificationError("differs"), 1, "test: error: differs"),
        (
            OSError(28, "No space left on device", "a\x1bb"),
            2,
            "test: error: No space left on device: a\\x1bb",
        ),
        (OSError("lost"), 2, "test: error: lost"),
        (KeyboardInterrupt(), 130, "test: error: interrupted; "),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: Output
) -> None:
    assert run(raising(error), []) == status
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(line)
    assert errors.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_can_t_show_every_letter_is_no_reason_for_a_traceback(
    encoding: str, store: Store
) -> None:
    done = run_python("-m", "manifests", "show", "mix:1", "--store", store.root, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert A in done.stdout


def test_the_module_runs_as_a_command_and_reads_only(store: Store) -> None:
    before = files_below(store.root)
    with read_only(store.root):
        done = run_python(
            "-m", "manifests", "audit", "mix:1", "mix:2", "--json", ZEROCOST_STORE=str(store.root)
        )
        assert (done.returncode, done.stderr, json.loads(done.stdout)["overlap"]) == (1, "", True)
        done = run_python("-m", "manifests", "show", "nobody\x1b", "--store", store.root)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "nobody\\x1b" in done.stderr
    assert files_below(store.root) == before


def test_the_console_command_is_the_module(store: Store) -> None:
    command = "import sys; from manifests.cli import main; sys.exit(main())"
    done = run_python("-c", command, "list", "--json", "--store", store.root)
    assert done.returncode == 0
    assert {A, B, C} <= {entry["id"] for entry in json.loads(done.stdout)["manifests"]}
    assert sys.executable


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -m manifests list | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
