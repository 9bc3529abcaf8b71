"""Builds and regenerations from a Hub, through the commands: a real server on loopback, a cache in a folder."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.curation.helpers import ROOT, traces
from tests.curation.hub_answers import SECRET
from tests.curation.hub_server import REPOSITORY, HubServer

RECIPE = """\
name = "mix"

[[source]]
name = "one"
hub = "owner/traces"
columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }
"""


def lines(first: int, count: int) -> bytes:
    return b"".join(json.dumps(row._asdict()).encode() + b"\n" for row in traces(count, first))


def parquet(first: int, count: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist([row._asdict() for row in traces(count, first)]), buffer, row_group_size=5
    )
    return buffer.getvalue()


@dataclass(frozen=True)
class Site:
    """A folder with a recipe, a store and a cache, and a Hub that the commands run there reach."""

    folder: Path
    hub: HubServer

    def run(
        self, *arguments: str, cache: str = "cache", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-m", *arguments, "--store", str(self.folder / "store")],
            cwd=ROOT,
            env={
                **kept,
                "HF_ENDPOINT": self.hub.endpoint,
                "HF_HOME": str(self.folder / cache),
                "NO_PROXY": "*",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def result(self, *arguments: str, **environment: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    def refusal(self, *arguments: str, **environment: str) -> str:
        done = self.run(*arguments, **environment)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        *_, message = done.stderr.splitlines()
        assert "Traceback" not in done.stderr
        return message

    def recipe(self, text: str = RECIPE) -> str:
        path = self.folder / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def pinned(self, text: str = RECIPE) -> str:
        out = self.folder / f"pinned-{len(list(self.folder.glob('pinned-*')))}.toml"
        self.result("curation", "pin", self.recipe(text), "--out", str(out))
        return str(out)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with HubServer() as hub:
        yield Site(tmp_path, hub)


def rows_of(site: Site, identifier: str) -> Sequence[tuple[str, int]]:
    table = pq.read_table(site.folder / "store" / "manifests" / identifier / "rows.parquet")
    return list(zip(table["source"].to_pylist(), table["row"].to_pylist(), strict=True))


def test_pinned_built_lost_and_regenerated_it_is_the_same_dataset(site: Site) -> None:
    commit = site.hub.commit({"data/a.jsonl": lines(1, 5), "data/b.jsonl": lines(6, 5)})
    built = site.result("curation", "build", site.pinned())
    assert built["rows"] == 10
    identity = json.loads((site.folder / "store/manifests" / built["id"] / "manifest.json").read_bytes())
    assert identity["sources"][0]["origin"] == {"hub": REPOSITORY, "revision": commit}
    assert [file["path"] for file in identity["sources"][0]["files"]] == ["data/a.jsonl", "data/b.jsonl"]
    for cache in ("cache", "another-cache"):  # from the cache, and from the Hub again
        (site.folder / "store/datasets" / built["id"]).rename(site.folder / f"lost-{cache}")
        again = site.result("curation", "regenerate", built["id"], cache=cache)
        assert (again["verified"], again["content_digest"]) == (True, built["content_digest"])
    checked = site.result("manifests", "verify", built["id"], "--dataset")
    assert checked["verified"] is True


def test_a_branch_that_moved_since_changes_nothing(site: Site) -> None:
    site.hub.commit({"a.jsonl": lines(1, 5)})
    pinned = site.pinned()
    site.hub.commit({"a.jsonl": lines(100, 9)})
    first = site.result("curation", "build", pinned)
    assert (first["rows"], site.result("curation", "build", pinned, cache="another")["id"]) == (
        5,
        first["id"],
    )
    renewed = site.result("curation", "build", site.pinned())
    assert (renewed["rows"], renewed["version"]) == (9, 2)


def test_a_recipe_that_is_not_pinned_is_not_built(site: Site) -> None:
    site.hub.commit({"a.jsonl": lines(1, 5)})
    for revision in ("", 'revision = "main"\n'):
        message = site.refusal("curation", "build", site.recipe(RECIPE + revision))
        assert "expected a commit (40 hex digits)" in message
        assert "run `curation pin RECIPE --out FILE`" in message
    assert not list((site.folder / "store").glob("manifests/*"))


def test_other_bytes_of_the_same_size_are_refused_with_both_digests(site: Site) -> None:
    commit = site.hub.commit({"a.jsonl": lines(1, 5)})
    pinned = site.pinned()
    site.hub.repositories[REPOSITORY].commits[commit]["a.jsonl"] = lines(2, 5)
    message = site.refusal("curation", "build", pinned)
    assert "source one: owner/traces: a.jsonl: expected SHA-256 " in message
    assert not list((site.folder / "store").glob("manifests/*"))


def test_a_range_fetches_the_files_that_hold_it_and_of_those_before_it_the_footers(site: Site) -> None:
    site.hub.commit({f"data/{number}.parquet": parquet(number * 20, 20) for number in range(1, 6)})
    pinned = site.pinned(RECIPE + "rows = [41, 50]\n")
    site.hub.requests.clear()
    built = site.result("curation", "build", pinned)
    assert rows_of(site, built["id"])[0][0] == "one"
    assert sorted(row for _, row in rows_of(site, built["id"])) == list(range(41, 51))
    fetched = {
        entry.path.rpartition("/")[2]
        for entry in site.hub.asked(on=".parquet")
        if "range" not in {name.lower() for name in entry.headers}
    }
    assert fetched <= {"3.parquet"}
    touched = {entry.path.split("?")[0].rpartition("/")[2] for entry in site.hub.asked("hub", ".parquet")}
    assert touched == {"1.parquet", "2.parquet", "3.parquet"}
    identity = json.loads((site.folder / "store/manifests" / built["id"] / "manifest.json").read_bytes())
    assert identity["sources"][0]["before"] == [
        {"path": "data/1.parquet", "rows": 20},
        {"path": "data/2.parquet", "rows": 20},
    ]


def test_offline_a_build_works_from_the_cache_and_says_what_is_missing(site: Site) -> None:
    site.hub.commit({"a.jsonl": lines(1, 5)})
    pinned = site.pinned()
    message = site.refusal("curation", "build", pinned, cache="empty", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in message
    built = site.result("curation", "build", pinned)
    site.hub.requests.clear()
    assert site.result("curation", "build", pinned, HF_HUB_OFFLINE="1")["id"] == built["id"]
    assert site.hub.requests == []


def test_no_network_and_no_such_revision_are_one_clear_line(site: Site) -> None:
    site.hub.commit({"a.jsonl": lines(1, 5)})
    unknown = site.recipe(RECIPE + f'revision = "{"0" * 40}"\n')
    assert "0" * 40 in site.refusal("curation", "build", unknown)
    pinned = site.pinned()
    message = site.refusal("curation", "build", pinned, cache="empty", HF_ENDPOINT="http://127.0.0.1:9")
    assert "can't be reached" in message


def test_the_token_opens_a_gated_repository_and_stays_out_of_everything_written(site: Site) -> None:
    site.hub.commit({"a.jsonl": lines(1, 5)})
    pinned = site.pinned()
    done = site.run("curation", "build", pinned, HF_TOKEN=SECRET)
    assert done.returncode == 0
    assert any(SECRET in str(entry.headers) for entry in site.hub.asked("hub"))
    assert not any(SECRET in str(entry.headers) for entry in site.hub.asked("cdn"))
    assert SECRET not in done.stdout + done.stderr
    for path in site.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_dry_run_of_a_hub_source_says_what_would_be_fetched_and_fetches_nothing(site: Site) -> None:
    files = {"a.jsonl": lines(1, 5), "b.jsonl": lines(6, 5)}
    site.hub.commit(files)
    pinned = site.pinned()
    site.hub.requests.clear()
    planned = site.result("curation", "build", pinned, "--dry-run")
    assert planned["sources"]["one"] == {
        "files": 2,
        "bytes": sum(map(len, files.values())),
        "paths": ["a.jsonl", "b.jsonl"],
    }
    assert site.hub.asked(on="resolve") == []
