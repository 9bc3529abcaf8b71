"""The demo's manifests are published with the project, and every machine arrives at exactly these."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.store import PUBLISHED, Store

SESSIONS = ("demo-session1", "demo-session2")


def build_both(store: Path, **environment: str) -> list[str]:
    """Build both sessions in processes of their own, with changes to the environment; their ids."""
    identifiers = []
    for session in SESSIONS:
        done = subprocess.run(
            [sys.executable, "-m", "curation", "build", session, "--store", str(store), "--json"],
            env=dict(os.environ) | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        identifiers.append(json.loads(done.stdout)["id"])
    return identifiers


def published_ids(tmp_path: Path) -> list[str]:
    """The ids that ship with the project."""
    store = Store(tmp_path / "empty", (PUBLISHED,))
    return [store.resolve(f"{session}:1") for session in SESSIONS]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
    ],
    ids=["as it is", "one thread, another hash seed", "another locale and time zone"],
)
def test_the_demo_arrives_at_the_published_ids(tmp_path: Path, environment: dict[str, str]) -> None:
    assert build_both(tmp_path / "store", **environment) == published_ids(tmp_path)


@pytest.mark.parametrize("session", SESSIONS)
def test_the_published_manifests_verify(session: str, tmp_path: Path) -> None:
    manifest = Store(tmp_path / "empty", (PUBLISHED,)).manifest(session)
    assert manifest.name == session
    assert manifest.identity.rows == manifest.rows.num_rows > 0
