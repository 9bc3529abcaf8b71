"""Globs over paths: the rules of find_files, without a folder."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import SourceError
from curation.files import find_files
from curation.globs import path_matches

NAMES = st.sampled_from(["a", "b", "ab", ".a", "..a", "a.csv", ".a.csv", "[a]", "A"])
PARTS = st.sampled_from(["a", "a*", "*", "?", "**", "[ab]", "[!a]", ".*", "*.csv", "[a]", "**a", "[[]a]"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/".join([*names, "x.csv"]))
LAST = st.sampled_from(["*.csv", "**", "x.csv", "*", ".*", "?.csv"])


@given(st.lists(PATHS, min_size=1, max_size=6), st.lists(PARTS, max_size=4), LAST)
@settings(max_examples=200)
def test_a_glob_matches_paths_as_it_finds_files(paths: list[str], parts: list[str], last: str) -> None:
    pattern = "/".join([*parts, last])
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        try:
            base, files = find_files("one", pattern, folder)
            found = {f"{base / file.path}".removeprefix(f"{folder}/") for file in files}
        except SourceError:
            found = set()
        assert {path for path in paths if path_matches(pattern, path)} == found


def test_a_crafted_path_takes_no_exponential_time() -> None:
    assert not path_matches("/".join(["**", "a"] * 40 + ["b"]), "/".join(["a"] * 200))
