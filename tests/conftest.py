"""What tests of every package share: where the real data lies, and a store of their own."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"

# How long an example takes says more about the machine than about the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """JAX that has begun to work has threads, and tests that fork would hear of it: it begins in a test, not before."""
    if "jax" in sys.modules:
        from jax._src.xla_bridge import backends_are_initialized  # noqa: PLC0415 - most tests do without JAX

        if backends_are_initialized():
            raise pytest.UsageError(
                "a module of tests makes an array, or asks for devices, when it is imported"
            )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real reasoning data beside the checkout; without it the test is skipped."""
    return _beside_the_checkout("data")


@pytest.fixture(scope="session")
def shared_tokenizers() -> Path:
    """The folder of real tokenizers beside the checkout; without it the test is skipped."""
    return _beside_the_checkout("tokenizers")


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Where the store of this test will be; nothing is there yet."""
    return tmp_path / "store"


def _beside_the_checkout(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: no shared {name} beside this checkout")
    return folder
