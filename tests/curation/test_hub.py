"""Hub sources: which files a commit has, how they come here, and what the cache is good for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import RecipeError, SourceError
from curation.hub.repository import HubRepository, resolve
from curation.hub.transport import HubHttp
from tests.curation.hub_answers import sha256
from tests.curation.hub_server import REPOSITORY, HubServer, one_line, pinned

ROWS = b'{"prompt": "p", "response": "r"}\n'
FILES = {
    ".gitattributes": b"*.csv filter=lfs\n",
    "README.md": b"# Traces\n",
    "dataset_infos.json": b"{}",
    "data/part-2.jsonl": ROWS * 2,
    "data/part-10.jsonl": ROWS * 10,
    "data/.hidden.jsonl": ROWS,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer() as server:
        yield server


def paths(hub: HubServer, folder: Path, commit: str, pattern: str | None) -> list[str]:
    with hub.repository(folder, commit) as repository:
        return [file.path for file in repository.files(pattern)]


def parquet(path: Path, rows: int) -> bytes:
    table = pa.table({"prompt": [f"question {row}" * 5 for row in range(rows)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=1_000)
    return path.read_bytes()


def test_without_files_a_source_takes_all_data_files_in_byte_order(hub: HubServer, tmp_path: Path) -> None:
    assert paths(hub, tmp_path, hub.commit(FILES), None) == ["data/part-10.jsonl", "data/part-2.jsonl"]


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (["README.md", "Raiden-R1.csv"], ["Raiden-R1.csv"]),
        (["README.md", "OpenO1-SFT.jsonl"], ["OpenO1-SFT.jsonl"]),
        (["CoT.py", "README.md", "data/CoT_collection_en.json"], ["data/CoT_collection_en.json"]),
        ([f"data/train-0000{n}-of-00002.parquet" for n in (1, 0)], None),
    ],
)
def test_the_layouts_of_the_four_datasets_need_no_files_key(
    hub: HubServer, tmp_path: Path, files: list[str], taken: list[str] | None
) -> None:
    commit = hub.commit(dict.fromkeys(files, b"{}"))
    assert paths(hub, tmp_path, commit, None) == (taken or sorted(files))


@pytest.mark.parametrize("other", ["data/a.csv", "data/test.jsonl", "validation/a.jsonl"])
def test_without_files_a_mixture_is_refused_and_its_files_are_named(
    hub: HubServer, tmp_path: Path, other: str
) -> None:
    commit = hub.commit({"data/a.jsonl": ROWS, other: b"x"})
    with pytest.raises(SourceError, match="say which") as raised:
        paths(hub, tmp_path, commit, None)
    assert other in one_line(raised)
    assert paths(hub, tmp_path, commit, other) == [other]


def test_a_glob_that_matches_nothing_names_the_files_that_are_there(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches files = 'data/\*\.csv'.*data/part-10\.jsonl"):
        paths(hub, tmp_path, hub.commit(FILES), "data/*.csv")


@pytest.mark.parametrize("pattern", ["/data/*.csv", "../*.csv", "data//a.csv", "./a.csv", ""])
def test_a_glob_that_leaves_the_repository_is_refused(hub: HubServer, tmp_path: Path, pattern: str) -> None:
    with pytest.raises(RecipeError, match="inside the repository"):
        paths(hub, tmp_path, hub.commit(FILES), pattern)


def test_a_file_that_is_no_data_is_refused_by_name(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"README\.md: expected a name ending in"):
        paths(hub, tmp_path, hub.commit(FILES), "README.*")


def test_a_listing_of_many_pages_is_read_whole_and_only_from_the_hub(hub: HubServer, tmp_path: Path) -> None:
    hub.page, hub.link_to = 7, hub.cdn  # the links name another host
    files = {f"data/{number:03}.jsonl": ROWS for number in range(50)}
    commit = hub.commit(files)
    assert paths(hub, tmp_path, commit, "data/*") == sorted(files)
    assert not hub.asked("cdn")


def test_a_commit_is_listed_once_for_ever(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.commit(FILES)
    first = paths(hub, tmp_path, commit, None)
    asked = len(hub.requests)
    assert paths(hub, tmp_path, commit, None) == first
    assert len(hub.requests) == asked
    for note in (tmp_path / "assets").rglob("tree-*"):
        note.write_bytes(note.read_bytes().replace(b"part", b"fart"))  # damage is seen, the Hub asked again
    assert paths(hub, tmp_path, commit, None) == first


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abc123", "A" * 40])
def test_only_a_commit_is_built(hub: HubServer, tmp_path: Path, revision: str | None) -> None:
    with (
        HubHttp(hub.settings(tmp_path)) as http,
        pytest.raises(RecipeError, match=r"expected a commit.*curation pin"),
    ):
        HubRepository(http, "one", REPOSITORY, revision)


@pytest.mark.parametrize(
    "name", ["../..", "owner/-", "o--x/name", "öwner/traces", "owner/a..b", "owner/x.git"]
)
def test_a_name_that_no_repository_has_is_refused(hub: HubServer, tmp_path: Path, name: str) -> None:
    with HubHttp(hub.settings(tmp_path)) as http:
        with pytest.raises(RecipeError, match="expected 'owner/name'"):
            HubRepository(http, "one", name, "0" * 40)
        with pytest.raises(RecipeError, match="expected 'owner/name'"):
            resolve(http, "one", name, "main")
    assert not hub.requests


def test_a_moved_branch_moves_no_source(hub: HubServer, tmp_path: Path) -> None:
    before = hub.commit({"a.jsonl": ROWS})
    with HubHttp(hub.settings(tmp_path)) as http:
        assert resolve(http, "one", REPOSITORY, "main") == before
        after = hub.commit({"a.jsonl": ROWS * 2})
        assert resolve(http, "one", REPOSITORY, "main") == after
        assert resolve(http, "one", REPOSITORY, before) == before
    with hub.repository(tmp_path, before) as repository:
        (file,) = repository.files(None)
        assert repository.fetch(file).here.read_bytes() == ROWS


def test_pinned_files_need_no_listing(hub: HubServer, tmp_path: Path) -> None:
    files = {"b.jsonl": ROWS, "a.jsonl": ROWS * 2}
    commit = hub.commit({**files, "c.jsonl": ROWS})
    with hub.repository(tmp_path, commit, pinned=pinned(files)) as repository:
        found = repository.files("*.jsonl")
        assert [file.path for file in found] == ["a.jsonl", "b.jsonl"]
        assert not hub.requests
        with pytest.raises(RecipeError, match=r"a\.jsonl is pinned but not among files = 'b\*'"):
            repository.files("b*")


@pytest.mark.parametrize("name", ["data/part 10 #%ü?.jsonl", "part.json"])
def test_a_fetched_file_is_the_hubs_with_its_digest(hub: HubServer, tmp_path: Path, name: str) -> None:
    data = os.urandom(3 << 20)
    commit = hub.commit({name: data})
    seen: list[int] = []
    with hub.repository(tmp_path, commit) as repository:
        (file,) = repository.files(None)
        assert not repository.is_cached(file)
        fetched = repository.fetch(file, seen.append)
        assert (fetched.path, fetched.size, fetched.sha256) == (name, len(data), sha256(data))
        assert fetched.here.read_bytes() == data
        assert fetched.here.name == name.rpartition("/")[2]
        assert seen == sorted(seen)
        assert seen[-1] == len(data)
        asked = len(hub.requests)
        assert repository.is_cached(file)
        assert repository.fetch(file) == fetched
        assert len(hub.requests) == asked
    assert not list(tmp_path.rglob("*.partial"))


def test_bytes_of_another_commit_are_not_fetched_again(hub: HubServer, tmp_path: Path) -> None:
    commits = [hub.commit({"a.jsonl": ROWS, "b.jsonl": ROWS * number}) for number in (2, 3)]
    for commit in commits:
        with hub.repository(tmp_path, commit) as repository:
            for file in repository.files("a.jsonl"):
                assert repository.fetch(file).here.parts[-2:] == (commit, "a.jsonl")
    assert len(hub.asked("cdn")) == 1


def test_without_links_the_cache_holds_plain_files(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.commit({"a.jsonl": ROWS})
    with hub.repository(tmp_path, commit, symlinks=False) as repository:
        (file,) = repository.files(None)
        here = repository.fetch(file).here
        assert repository.fetch(file).here == here
    assert not here.is_symlink()
    assert here.read_bytes() == ROWS


@pytest.mark.parametrize(
    ("damage", "told"),
    [(b"x", f"expected {len(ROWS)} bytes, found 1;"), (ROWS.replace(b"p", b"q"), "expected SHA-256 ")],
)
def test_a_damaged_file_of_the_cache_is_fetched_again_and_refused_offline(
    hub: HubServer, tmp_path: Path, damage: bytes, told: str
) -> None:
    commit = hub.commit({"a.jsonl": ROWS})
    with hub.repository(tmp_path, commit) as repository:
        (file,) = repository.files(None)
        here = repository.fetch(file).here
    here.resolve().write_bytes(damage)
    with hub.repository(tmp_path, commit, offline=True) as repository, pytest.raises(SourceError) as raised:
        repository.fetch(file)
    message = one_line(raised)
    assert str(here.resolve()) in message
    assert "delete it" in message
    assert told in message
    notices: list[str] = []
    with hub.repository(tmp_path, commit, notices=notices) as repository:
        assert repository.fetch(file).here.read_bytes() == ROWS
    assert any("fetched again" in notice for notice in notices)


def test_offline_the_cache_is_enough_and_what_it_lacks_is_named(hub: HubServer, tmp_path: Path) -> None:
    table = parquet(tmp_path / "t.parquet", 2_500)
    commit = hub.commit({"a.parquet": table, "b.parquet": b"PAR2" + table[4:], "c.parquet": table + table})
    with hub.repository(tmp_path, commit) as repository:
        first, second, third = repository.files(None)
        repository.fetch(first)
        repository.count_parquet_rows(third)
    asked = len(hub.requests)
    with hub.repository(tmp_path, commit, offline=True) as repository:
        assert repository.files(None) == [first, second, third]
        assert repository.fetch(first).sha256 == sha256(table)
        assert repository.count_parquet_rows(first) == 2_500
        assert repository.count_parquet_rows(third) == 2_500
        for call in (repository.fetch, repository.count_parquet_rows):
            with pytest.raises(SourceError, match=r"b\.parquet .* is not in the cache, and HF_HUB_OFFLINE"):
                call(second)
    assert len(hub.requests) == asked
    with (
        hub.repository(tmp_path, "0" * 40, offline=True) as repository,
        pytest.raises(SourceError, match=r"revision 0{40} is not in the cache"),
    ):
        repository.files(None)
