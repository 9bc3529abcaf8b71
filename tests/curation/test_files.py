import os
from pathlib import Path

import pytest

from curation.errors import SourceError
from curation.files import find_files, split_glob
from tests.curation.helpers import message_of


def grow(folder: Path, *paths: str) -> None:
    """Empty files at these paths below a folder."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def found(folder: Path, pattern: str) -> list[str]:
    """The paths found, which lie where the base says."""
    base, files = find_files("one", pattern, folder)
    assert all(file.here == base / file.path for file in files)
    assert all(file.here.is_file() for file in files)
    return [file.path for file in files]


def refusal(folder: Path, pattern: str) -> str:
    with pytest.raises(SourceError) as raised:
        find_files("one", pattern, folder)
    return message_of(raised)


@pytest.mark.parametrize(
    ("pattern", "fixed", "rest"),
    [
        ("a.csv", "", "a.csv"),
        ("data/a.csv", "data", "a.csv"),
        ("/data/raw/a.csv", "/data/raw", "a.csv"),
        ("/a.csv", "/", "a.csv"),
        ("*.csv", "", "*.csv"),
        ("data/*.csv", "data", "*.csv"),
        ("data/2024-??/x/a.csv", "data", "2024-??/x/a.csv"),
        ("/data/**/[ab].csv", "/data", "**/[ab].csv"),
        ("/*/a.csv", "/", "*/a.csv"),
        ("../data/./*/a.csv", "../data/.", "*/a.csv"),
    ],
)
def test_the_fixed_part_is_the_directories_before_the_first_component_with_magic(
    pattern: str, fixed: str, rest: str
) -> None:
    assert split_glob(pattern) == (fixed, rest)


def test_a_plain_path_is_that_one_file_and_its_directory_the_fixed_part(tmp_path: Path) -> None:
    grow(tmp_path, "data/a.csv", "data/b.csv")
    assert found(tmp_path, "data/a.csv") == ["a.csv"]
    assert find_files("one", "data/a.csv", tmp_path)[0] == tmp_path / "data"


def test_an_absolute_path_does_not_count_from_the_recipe(tmp_path: Path) -> None:
    grow(tmp_path, "data/a.csv", "data/sub/b.csv")
    assert found(tmp_path / "elsewhere", f"{tmp_path}/data/*.csv") == ["a.csv"]
    assert found(tmp_path / "elsewhere", f"{tmp_path}/data/a.csv") == ["a.csv"]


def test_files_come_in_byte_order_of_their_paths(tmp_path: Path) -> None:
    composed, decomposed = "\u00e9.csv", "e\u0301.csv"
    last_of_plane, next_plane = "\uffff.csv", "\U00010000.csv"
    grow(tmp_path, "a0.csv", "a/x.csv", "a.csv", "a-1.csv", "B.csv", "z.csv")
    grow(tmp_path, next_plane, last_of_plane, composed, decomposed)
    # "-" before "." before "/" before "0"; in UTF-16 the two last ones would change places.
    in_order = ["B.csv", "a-1.csv", "a.csv", "a/x.csv", "a0.csv", decomposed, "z.csv", composed]
    assert found(tmp_path, "**/*.csv") == [*in_order, last_of_plane, next_plane]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("??.csv", []),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("[b-z].csv", ["b.csv"]),
        ("A.csv", []),
        ("[A].csv", []),
        ("sub/*.csv", ["c.csv"]),
        ("*/*.csv", ["sub/c.csv"]),
        ("*/c.csv", ["sub/c.csv"]),
        ("s*/deep/*.csv", ["sub/deep/d.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]),
        ("**/deep/*.csv", ["sub/deep/d.csv"]),
        ("sub/**/*.csv", ["c.csv", "deep/d.csv"]),
        ("**/sub/**/d.csv", ["sub/deep/d.csv"]),
        ("**", ["a.csv", "b.csv", "sub/c.csv", "sub/deep/d.csv"]),
        ("sub**/*.csv", ["sub/c.csv"]),
        (".*.csv", [".hidden.csv"]),
        (".h*/*.csv", [".hidden/e.csv"]),
        ("[.]hidden.csv", []),
        ("?hidden.csv", []),
        ("*/deep", []),
        ("*/../a.csv", []),
    ],
)
def test_a_glob_matches_component_by_component_and_nothing_hidden(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    grow(
        tmp_path,
        "a.csv",
        "b.csv",
        "sub/c.csv",
        "sub/deep/d.csv",
        ".hidden.csv",
        ".hidden/e.csv",
        "sub/.hidden/f.csv",
    )
    if expected:
        assert found(tmp_path, pattern) == expected
    else:
        assert "no file matches" in refusal(tmp_path, pattern)


def test_the_folder_of_the_recipe_is_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "mixes [v1]*"
    grow(folder, "a.csv")
    grow(tmp_path, "mixes v/a.csv", "mixes 1/b.csv")
    assert found(folder, "*.csv") == ["a.csv"]
    assert found(folder, "a.csv") == ["a.csv"]


def test_only_regular_files_count_and_links_to_them_are_followed(tmp_path: Path) -> None:
    grow(tmp_path, "data/a.csv", "elsewhere/b.csv")
    (tmp_path / "data" / "folder.csv").mkdir()
    (tmp_path / "data" / "link.csv").symlink_to(tmp_path / "elsewhere" / "b.csv")
    (tmp_path / "data" / "broken.csv").symlink_to(tmp_path / "absent.csv")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "data" / "pipe.csv")
    assert found(tmp_path, "data/*.csv") == ["a.csv", "link.csv"]
    assert found(tmp_path, "data/*/*.csv") == ["linked/b.csv"]
    assert "no file matches" in refusal(tmp_path, "data/pipe.csv")


@pytest.mark.parametrize("pattern", ["absent.csv", "absent/*.csv", "*.parquet", "a.csv/*.csv", "a.csv/"])
def test_a_source_without_files_is_refused(tmp_path: Path, pattern: str) -> None:
    grow(tmp_path, "a.csv")
    message = refusal(tmp_path, pattern)
    assert message.startswith(f"source one: no file matches {tmp_path / pattern}; check 'files'")


@pytest.mark.parametrize("pattern", ["data", "data/", "."])
def test_a_folder_in_the_place_of_a_file_is_refused_with_a_glob_to_give_instead(
    tmp_path: Path, pattern: str
) -> None:
    grow(tmp_path, "data/a.csv")
    message = refusal(tmp_path, pattern)
    assert f"is a folder; give a file or a glob such as {pattern.rstrip('/')}/*.parquet" in message


@pytest.mark.parametrize("name", ["a.txt", "a.csv.gz", "a.CSV", "a", ".csv"])
def test_a_file_of_another_format_is_refused_with_the_endings_that_are_read(
    tmp_path: Path, name: str
) -> None:
    grow(tmp_path, "b.csv", name)
    message = refusal(tmp_path, name)
    endings = ".parquet, .jsonl, .jsonl.gz, .jsonl.zst, .json, .csv, .tsv"
    assert message == f"source one: {tmp_path / name}: expected a name ending in one of {endings}"


def test_one_file_of_another_format_among_the_matches_is_refused(tmp_path: Path) -> None:
    grow(tmp_path, "data/a.csv", "data/notes.txt")
    assert "notes.txt: expected a name ending in" in refusal(tmp_path, "data/*")


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    grow(tmp_path, "a.csv")
    (tmp_path / os.fsdecode(b"b\xff.csv")).touch()
    assert refusal(tmp_path, "*.csv") == r"source one: a file name that is not UTF-8: b'b\xff.csv'; rename it"


def test_a_folder_that_links_to_itself_is_refused(tmp_path: Path) -> None:
    grow(tmp_path, "data/a.csv")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    assert "can't be listed" in refusal(tmp_path, "data/**/*.csv")
