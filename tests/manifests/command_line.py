"""The command line of `manifests`, called in this process: its one object, its lines, its one complaint."""

import json

import pytest

from manifests.cli import main
from manifests.store import Store

Output = pytest.CaptureFixture[str]


def answer(store: Store, *arguments: str, status: int = 0, capsys: Output) -> dict[str, object]:
    """The one JSON object that a command prints on standard output, and nothing else anywhere."""
    assert main([*arguments, "--json", "--store", str(store.root)]) == status
    output, errors = capsys.readouterr()
    assert errors == ""
    assert output.endswith("\n")
    assert output.count("\n") == 1
    value = json.loads(output)
    assert isinstance(value, dict)
    return value


def lines(store: Store, *arguments: str, status: int = 0, capsys: Output) -> list[str]:
    """The lines for people; each is free of control characters."""
    assert main([*arguments, "--store", str(store.root)]) == status
    output, errors = capsys.readouterr()
    assert errors == ""
    assert all(line.isprintable() for line in output.split("\n"))
    return output.splitlines()


def complaint(*arguments: str, status: int = 2, capsys: Output) -> str:
    """The one line on standard error with which a command refuses."""
    assert main(arguments) == status
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("manifests: error: ")
    assert errors.endswith("\n")
    assert errors[:-1].isprintable()
    return errors[:-1]


def failing(store: Store, *arguments: str, capsys: Output) -> tuple[str, str]:
    """What a verification that fails prints on both streams; on standard error it is one line."""
    assert main([*arguments, "--store", str(store.root)]) == 1
    output, errors = capsys.readouterr()
    assert errors.startswith("manifests: error: ")
    assert errors[:-1].isprintable()
    return output, errors
