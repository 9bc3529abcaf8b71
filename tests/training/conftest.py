"""What the tests of training share: a small tokenizer, small settings, and runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.store import Store
from tests.training.helpers import sums, write_traces
from training.models import TINY
from training.settings import Settings
from training.tokenizer import Tokenizer, train_tokenizer

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
