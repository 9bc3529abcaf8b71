"""What a run promises of its tokens: they are in its folder, proven, and enough to go on without the dataset."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.errors import MissingDatasetError
from manifests.store import Store
from tests.training.helpers import Requests, record_of, unfinished
from training.batches.token_cache import TOKENS, TOKENS_PROOF
from training.request import RunRequest
from training.run import train_adapter


@pytest.fixture
def again(request_for: Requests, first: Path, tmp_path: Path) -> RunRequest:
    """The first run's request again, on a store of its own, for an unfinished copy of that run."""
    request = request_for("one", unfinished(first, tmp_path / "run"))
    shutil.copytree(request.store.root, tmp_path / "store")
    return replace(request, store=Store(tmp_path / "store", behind=()))


def test_a_new_run_has_its_tokens_and_leaves_nothing_beside_it(first: Path) -> None:
    assert (first / TOKENS).is_file()
    assert (first / TOKENS_PROOF).is_file()
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_run_goes_on_without_the_dataset(
    again: RunRequest, first: Path, say: Callable[[str], None]
) -> None:
    shutil.rmtree(again.store.root / "datasets")
    assert train_adapter(again, say)["adapter_digest"] == record_of(first)["adapter_digest"]


def test_damaged_tokens_are_made_anew_with_a_line(
    again: RunRequest, first: Path, say: Callable[[str], None], said: list[str]
) -> None:
    data = bytearray((again.out / TOKENS).read_bytes())
    data[len(data) // 2] ^= 1
    (again.out / TOKENS).write_bytes(data)
    assert train_adapter(again, say)["adapter_digest"] == record_of(first)["adapter_digest"]
    assert (again.out / TOKENS).read_bytes() == (first / TOKENS).read_bytes()
    assert any("tokenised anew" in line for line in said)


def test_damaged_tokens_without_the_dataset_are_one_line(
    again: RunRequest, say: Callable[[str], None], said: list[str]
) -> None:
    shutil.rmtree(again.store.root / "datasets")
    (again.out / TOKENS).unlink()
    with pytest.raises(MissingDatasetError):
        train_adapter(again, say)
    assert any("tokenised anew" in line for line in said)
