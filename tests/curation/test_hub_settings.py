"""Hub sources and huggingface_hub: its settings and its cache are ours."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.curation.hub_answers import SECRET
from tests.curation.hub_server import HubServer

ROWS = b'{"prompt": "p", "response": "r"}\n'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer() as server:
        yield server


def run(hub: HubServer, folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own that has this Hub as HF_ENDPOINT, and HF_HOME in `folder`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    given = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder), "NO_PROXY": "*", **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=plain | given, capture_output=True, text=True, check=False)


def test_the_cache_is_shared_with_huggingface_hub_both_ways(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.commit({"ours.jsonl": ROWS, "theirs.jsonl": ROWS * 2, "theirs.json": b"[]"})
    code = """
import json
from huggingface_hub import hf_hub_download as get
print(json.dumps([get("owner/traces", path, repo_type="dataset", revision="main") for path in PATHS]))
"""
    settings = {
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
    }
    theirs = ["theirs.jsonl", "theirs.json"]
    done = run(hub, tmp_path, code.replace("PATHS", repr(theirs)), **settings)
    assert done.returncode == 0, done.stderr
    with hub.repository(tmp_path, commit) as repository:
        files = {file.path: file for file in repository.files("*")}
        asked = len(hub.asked("", "/resolve/"))
        assert [str(repository.fetch(files[path]).here) for path in theirs] == json.loads(done.stdout)
        assert len(hub.asked("", "/resolve/")) == asked
        ours = repository.fetch(files["ours.jsonl"]).here
    code = code.replace("PATHS", "['ours.jsonl']").replace('"main"', repr(commit))
    done = run(hub, tmp_path, code, **settings, HF_HUB_OFFLINE="1")
    assert json.loads(done.stdout) == [str(ours)], done.stderr


def test_settings_are_those_of_huggingface_hub_and_show_no_token(hub: HubServer, tmp_path: Path) -> None:
    code = "from curation.hub.settings import hub_settings as s; print(s(), len(s().token or ''))"
    done = run(hub, tmp_path, code, HF_TOKEN=SECRET, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    assert f"endpoint='{hub.endpoint}'" in done.stdout
    assert str(tmp_path / "hub") in done.stdout
    assert "offline=True" in done.stdout
    assert done.stdout.endswith(f" {len(SECRET)}\n")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HF_ENDPOINT": "huggingface.co"}, "HF_ENDPOINT: expected the address of a Hub"),
        ({"HF_ENDPOINT": f"http://user:{SECRET}@127.0.0.1:1"}, "HF_ENDPOINT: expected the address of a Hub"),
        ({"HF_TOKEN": f"{SECRET} {SECRET}"}, "HF_TOKEN: it holds characters"),
        ({"HF_TOKEN": f"{SECRET}ß"}, "HF_TOKEN: it holds characters"),
    ],
)
def test_an_endpoint_or_token_that_can_be_none_is_refused_without_showing_it(
    hub: HubServer, tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    code = "from curation.hub.settings import hub_settings; hub_settings()"
    done = run(hub, tmp_path, code, **environment)
    assert f"SourceError: {told}" in done.stderr
    assert SECRET not in done.stderr
