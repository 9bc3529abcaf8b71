"""What files of lines promise: whole lines only, cut at a step, and one line of complaint for anything else."""

from pathlib import Path

import pytest

from training.errors import RunFolderError
from training.runs import lines
from training.runs.lines import append_line, cut_lines, read_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.jsonl"
    for step in (0, 0, 1, 2, 2, 3):
        append_line(path, {"step": step, "text": "\u00e9\n"})
    return path


def test_what_was_appended_is_read_and_a_line_that_was_torn_is_not(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"step": 4, "te')
    assert [line["step"] for line in read_lines(path)] == [0, 0, 1, 2, 2, 3]
    assert read_lines(path)[0]["text"] == "\u00e9\n"


def test_no_file_has_no_lines_and_nothing_to_cut(tmp_path: Path) -> None:
    cut_lines(tmp_path / "none.jsonl", 3)
    assert read_lines(tmp_path / "none.jsonl") == []
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("steps", "left"), [(9, 6), (2, 5), (1, 3), (0, 2), (-1, 0)])
def test_lines_behind_a_step_are_cut_with_what_was_torn(path: Path, steps: int, left: int) -> None:
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(path.read_bytes() + b'{"st')
    cut_lines(path, steps)
    assert path.read_bytes() == b"".join(whole[:left])


@pytest.mark.parametrize("line", ["[1]", "{", "nothing", '{"a": ' * 40_000, "\x00"])
def test_a_line_that_is_no_object_is_named(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunFolderError, match=r"some\.jsonl, line 7: not a JSON object"):
        read_lines(path)


def test_a_line_without_its_step_can_not_be_cut_at_one(path: Path) -> None:
    append_line(path, {"step": "4"})
    with pytest.raises(RunFolderError, match="a line without its step"):
        cut_lines(path, 9)


def test_no_file_is_read_that_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_BYTES", 20)
    with pytest.raises(RunFolderError, match="at most 20 are read"):
        read_lines(path)


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="can't be read"):
        read_lines(tmp_path)


def test_a_number_of_any_length_is_read(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"step": 5, "loss": ' + "9" * 5000 + "}\n")
    assert read_lines(path)[-1]["loss"] == float("inf")
