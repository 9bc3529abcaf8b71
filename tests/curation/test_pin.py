"""Pinning: commits, sizes and SHA-256 come into the recipe, and everything else stays as it was written."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.errors import CurationError, RecipeError, SourceError
from curation.files import find_files
from curation.hub.pin import PinnedSource, pin
from curation.hub.transport import HubHttp
from curation.recipe import PinnedFile
from tests.curation.hub_answers import sha256
from tests.curation.hub_server import QUICK, REPOSITORY, HubServer, one_line

ROWS = b'{"prompt": "p", "response": "r"}\n'
FILES = {"data/b.jsonl": ROWS * 2, "data/a.jsonl": ROWS, "README.md": b"# Traces\n"}
RECIPE = """\
# The mix of a test.
name   = "mix"          # two spaces too many
order = 'sequential'

[[source]]
name = "one"
hub = "owner/traces"    # on the Hub
columns = { prompt = "prompt", response = "response" }
max_drop = 0.50

# This one is small.
[[source]]
name = "two"
hub = "owner/small"
revision = "v1"         # a tag
files = "*.json"
[source.columns]
prompt = "prompt"
response = '''response'''

[disjoint]  # the end
from = ["session1"]
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer() as server:
        yield server


def pin_text(
    hub: HubServer, folder: Path, text: str, out: str = "pinned.toml"
) -> tuple[tuple[PinnedSource, ...], str]:
    recipe = folder / "recipe.toml"
    recipe.write_bytes(text.encode())
    with HubHttp(hub.settings(folder), patience=QUICK) as http:
        done = pin(recipe, folder / out, http)
    return done, (folder / out).read_bytes().decode()


def refusal(hub: HubServer, folder: Path, text: str, kind: type[CurationError] = RecipeError) -> str:
    with pytest.raises(kind) as raised:
        pin_text(hub, folder, text)
    assert not (folder / "pinned.toml").exists()
    return one_line(raised)


def source(keys: str) -> str:
    return f'name = "mix"\n[[source]]\nname = "one"\ncolumns = {{ prompt = "p", response = "r" }}\n{keys}\n'


def test_commits_and_files_come_in_and_the_rest_stays_to_the_letter(hub: HubServer, tmp_path: Path) -> None:
    first, second = hub.commit(FILES), hub.commit({"a.json": b"[]"}, hub="owner/small", branch="v1")
    done, text = pin_text(hub, tmp_path, RECIPE)
    files = {path: PinnedFile(path, len(FILES[path]), sha256(FILES[path])) for path in sorted(FILES)[1:]}
    assert done == (
        PinnedSource("one", REPOSITORY, "main", first, tuple(files.values())),
        PinnedSource("two", "owner/small", "v1", second, (PinnedFile("a.json", 2, sha256(b"[]")),)),
    )
    assert done[0].size == 3 * len(ROWS)

    def lines(of: PinnedSource) -> str:
        entries = [f'    {{path = "{f.path}", size = {f.size}, sha256 = "{f.sha256}"}},\n' for f in of.files]
        return f"pinned = [\n{''.join(entries)}]\n"

    expected = RECIPE.replace("# on the Hub\n", f'# on the Hub\nrevision = "{first}"\n{lines(done[0])}')
    expected = expected.replace('"v1"', f'"{second}"').replace("# a tag\n", f"# a tag\n{lines(done[1])}")
    assert text == expected


def test_a_pinned_recipe_stays_at_its_commit_and_its_files_are_renewed(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.commit(FILES)
    hub.commit({"a.json": b"[]"}, hub="owner/small", branch="v1")
    _, once = pin_text(hub, tmp_path, RECIPE)
    hub.commit({"data/c.jsonl": ROWS})  # main has moved
    _, twice = pin_text(hub, tmp_path, once, "again.toml")
    assert twice == once
    worn = once.replace(sha256(ROWS), "0" * 64).replace("size = 2", "size = 3")
    _, mended = pin_text(hub, tmp_path, worn, "mended.toml")
    assert mended == once


@pytest.mark.parametrize(
    "text",
    [
        'name="mix"\nsource = [{name="one",columns={prompt="p",response="r"},hub="owner/traces"}]',
        'name="mix"\nsource = [\n  {name="a", hub="owner/traces", columns={prompt="p",response="r"}, revision="main"}]',
        source('hub = "owner/traces"').removesuffix("\n"),
        source('hub = "owner/traces" # crlf').replace("\n", "\r\n"),
        source("revision = 'main' # old\nhub = 'owner/traces'\npinned = [] # none"),
        source('hub = "owner/traces"\n\n# the end\n\n'),
        source("'hub' = \"owner/traces\"\nseed_note = 1").replace("seed_note = 1\n", ""),
    ],
)
def test_every_way_to_write_a_source_can_be_pinned(hub: HubServer, tmp_path: Path, text: str) -> None:
    commit = hub.commit(FILES)
    _, pinned = pin_text(hub, tmp_path, text)
    table = tomllib.loads(pinned)
    expected = tomllib.loads(text)
    expected["source"][0]["revision"] = commit
    expected["source"][0]["pinned"] = [
        {"path": path, "size": len(FILES[path]), "sha256": sha256(FILES[path])} for path in sorted(FILES)[1:]
    ]
    assert table == expected
    assert pinned.count("\r\n") in {0, pinned.count("\n")}
    kept = [line for line in text.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in pinned.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in kept
    ]


def test_tables_that_stand_apart_are_refused(hub: HubServer, tmp_path: Path) -> None:
    hub.commit(FILES)
    local = (
        source('files = "a.jsonl"')
        .replace('name = "mix"', '[disjoint]\nfrom = ["x"]')
        .replace('"one"', '"two"')
    )
    text = source('hub = "owner/traces"') + local
    assert "can't be written into" in refusal(hub, tmp_path, text)


@pytest.mark.parametrize("place", ["pinned.toml", "deeper/down/pinned.toml", "beside/pinned.toml"])
def test_local_files_stay_the_same_files(hub: HubServer, tmp_path: Path, place: str) -> None:
    hub.commit(FILES)
    recipes, elsewhere = tmp_path / "recipes", tmp_path / "elsewhere"
    for folder in (recipes / "deeper/down", recipes / "data", elsewhere / "deep"):
        folder.mkdir(parents=True)
    (recipes / "beside").symlink_to(elsewhere / "deep")  # `..` of it is not `recipes`
    for path in (recipes / "data/a.jsonl", recipes / "data/b.jsonl"):
        path.write_bytes(ROWS)
    text = source('files = "data/*.jsonl"') + source('hub = "owner/traces"').replace(
        'name = "mix"', ""
    ).replace("one", "2")
    text += source(f'files = "{recipes}/data/a.jsonl"').replace('name = "mix"', "").replace("one", "3")
    text += f'[decontaminate]\nagainst = ["data/a.jsonl", "{recipes}/data/*.jsonl"] # asked\n'
    _, pinned = pin_text(hub, recipes, text, place)
    before, after = tomllib.loads(text)["source"], tomllib.loads(pinned)["source"]
    for number in (0, 2):
        found = [
            find_files("x", sources[number]["files"], folder)[1]
            for sources, folder in ((before, recipes), (after, (recipes / place).parent))
        ]
        assert [file.path for file in found[0]] == [file.path for file in found[1]]
        assert all(one.here.samefile(other.here) for one, other in zip(*found, strict=True))
    assert (before[0] == after[0]) == (place == "pinned.toml")
    assert before[2] == after[2]
    relative, absolute = tomllib.loads(pinned)["decontaminate"]["against"]
    assert ((recipes / place).parent / relative).samefile(recipes / "data/a.jsonl")
    assert absolute == f"{recipes}/data/*.jsonl"
    assert "# asked" in pinned


def test_a_way_that_reads_as_a_glob_is_refused(hub: HubServer, tmp_path: Path) -> None:
    folder = tmp_path / "recipes[1]"
    folder.mkdir()
    text = source('files = "*.jsonl"') + source('hub = "owner/traces"').replace('name = "mix"', "").replace(
        "one", "2"
    )
    hub.commit(FILES)
    (folder / "recipe.toml").write_text(text)
    with HubHttp(hub.settings(tmp_path)) as http, pytest.raises(RecipeError, match="would read as a glob"):
        pin(folder / "recipe.toml", tmp_path / "pinned.toml", http)


def test_nothing_is_replaced(hub: HubServer, tmp_path: Path) -> None:
    hub.commit(FILES)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(source('hub = "owner/traces"'))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with HubHttp(hub.settings(tmp_path)) as http:
        for out, told in (
            (recipe, "it exists"),
            (tmp_path / "dangling", "it exists"),
            (tmp_path / "a/b", "no such folder"),
        ):
            with pytest.raises(RecipeError, match=told):
                pin(recipe, out, http)
    assert not hub.requests
    assert recipe.read_text() == source('hub = "owner/traces"')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "not TOML"),
        ("\udcff", "not TOML"),
        ("name = 'mix'", "source"),
        ("name = 'mix'\nsource = 3", "source"),
        ("name = 'mix'\nsource = [3]", "source"),
        (source('files = "a.jsonl"'), "none of its sources has 'hub'"),
        (source("hub = 3"), "hub"),
        (source("hub = 'owner'"), "hub"),
        (source("hub = '../..'"), "hub = '../..': expected 'owner/name'"),
        (source("hub = 'owner/traces'\nrevision = 3"), "revision: expected"),
        (source("hub = 'owner/traces'\nrevision = ''"), "revision: expected"),
        (source("hub = 'owner/traces'\nmistake = 1"), "unknown key 'mistake'"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_before_the_hub_is_asked(
    hub: HubServer, tmp_path: Path, text: str, told: str
) -> None:
    hub.commit(FILES)
    if text == "\udcff":
        (tmp_path / "recipe.toml").write_bytes(b"\xff")
        with HubHttp(hub.settings(tmp_path)) as http, pytest.raises(RecipeError, match=told):
            pin(tmp_path / "recipe.toml", tmp_path / "pinned.toml", http)
    else:
        assert told in refusal(hub, tmp_path, text)
    assert not hub.requests


def test_what_the_hub_does_not_give_is_said_and_nothing_is_written(hub: HubServer, tmp_path: Path) -> None:
    text = source('hub = "owner/traces"\nrevision = "nope"')
    hub.commit(FILES)
    assert "no revision nope" in refusal(hub, tmp_path, text, SourceError)
    text = text.replace("nope", "main").replace("owner/traces", "owner/nothing")
    assert "no such dataset" in refusal(hub, tmp_path, text, SourceError)


def test_a_recipe_that_is_not_there_is_refused(hub: HubServer, tmp_path: Path) -> None:
    with HubHttp(hub.settings(tmp_path)) as http, pytest.raises(RecipeError, match="can't be read"):
        pin(tmp_path / "recipe.toml", tmp_path / "pinned.toml", http)
