"""What the tests of training share: a small tokenizer, small settings, and runs."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.store import Store
from tests.training.helpers import Requests, publish, sums, write_traces
from training.batches.tokenizer import Tokenizer, train_tokenizer
from training.models import TINY
from training.request import RunRequest
from training.run import train_adapter
from training.settings import Settings

# What these libraries call of each other is going out of use; nothing of ours is exempt.
LIBRARIES = r"ignore::DeprecationWarning:(flax|jax|optax|orbax|qwix|tunix)\."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(LIBRARIES))


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of a few hundred pieces, trained on the text of the tests."""
    path = tmp_path_factory.mktemp("tokenizer") / "small.model"
    path.write_bytes(train_tokenizer((text for trace in sums(300) for text in trace), 420))
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.open(tokenizer_file)


@pytest.fixture(scope="session")
def small() -> Settings:
    """Settings that train in seconds: rows of 160 tokens, past the sliding window of 128."""
    return replace(
        TINY.defaults, length=160, batch=4, rank=4, alpha=4.0, warmup=2, checkpoint_every=4, held_out="0.1"
    )


@pytest.fixture(scope="session")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the tests' manifests take their rows from: 200 traces."""
    return write_traces(tmp_path_factory.mktemp("traces") / "sums.jsonl", sums(200))


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


@pytest.fixture
def said() -> list[str]:
    """The lines of progress."""
    return []


@pytest.fixture
def say(said: list[str]) -> Callable[[str], None]:
    return said.append


@pytest.fixture(scope="session")
def request_for(
    tmp_path_factory: pytest.TempPathFactory, trace_file: Path, tokenizer: Tokenizer, small: Settings
) -> Requests:
    """Requests on a store with the manifests one (rows 1 to 100), two (101 to 160), and shared (96 to 120)."""
    store = Store(tmp_path_factory.mktemp("world") / "store", behind=())
    publish(store, "one", trace_file, (1, 100))
    publish(store, "two", trace_file, (101, 160))
    publish(store, "shared", trace_file, (96, 120))

    def make(
        reference: str,
        out: Path,
        continue_from: Path | None = None,
        tokenizer: Tokenizer = tokenizer,
        **changed: Any,
    ) -> RunRequest:
        settings = replace(small, **changed)
        return RunRequest(store, reference, tokenizer, TINY, settings, out, continue_from)

    return make


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, request_for: Requests) -> Path:
    """A finished run on one, left alone."""
    out = tmp_path_factory.mktemp("first") / "run"
    train_adapter(request_for("one", out), lambda _line: None)
    return out


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory, request_for: Requests, first: Path) -> Path:
    """A run on two that went on from the first."""
    out = tmp_path_factory.mktemp("second") / "run"
    train_adapter(request_for("two", out, first, steps=3), lambda _line: None)
    return out


@pytest.fixture
def command_for(
    tmp_path: Path, request_for: Requests, tokenizer_file: Path, small: Settings
) -> Callable[..., list[str]]:
    """The command line of the first run, or of another manifest of its store, into a folder of one's own."""
    config = tmp_path / "small.toml"
    changed = ("length", "batch", "rank", "alpha", "warmup", "checkpoint_every", "held_out")
    config.write_text("".join(f"{key} = {getattr(small, key)}\n" for key in changed))

    def make(out: Path, *flags: str | Path, name: str = "one") -> list[str]:
        store = request_for(name, out).store.root
        command = [sys.executable, "-m", "training", "run", name, "--model", "tiny", "--json"]
        command += ["--store", str(store), "--tokenizer", str(tokenizer_file), "--config", str(config)]
        return [*command, "--out", str(out), *map(str, flags)]

    return make
