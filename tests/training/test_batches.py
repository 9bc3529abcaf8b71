"""What batches promise: the same at every step, in any process, on any number of devices, wherever a run goes on."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.store import Store
from tests.training.helpers import publish
from training.batches.plan import Batches
from training.batches.planned import PLAN_FILE, plan_manifest, write_plan
from training.batches.prepare import Prepared, prepare
from training.batches.tokenizer import Tokenizer
from training.batches.traces import Batch, assemble_batch
from training.settings import Settings

ROOT = Path(__file__).parents[2]
DEVICES = (1, 2, 4, 8)
# What comes back from the devices is hashed, shard by shard put together again; the steps from the last to the first.
CHILD = """
import hashlib, json, sys
from pathlib import Path
import jax
from manifests.store import Store
from training.loop.devices import Devices
from training.models import TINY
from training.batches.prepare import prepare
from training.settings import with_values
from training.batches.tokenizer import Tokenizer
from training.batches.traces import assemble_batch

store, tokenizer, place, values = sys.argv[1:]
settings = with_values(TINY.defaults, json.loads(values))
store, tokenizer = Store(Path(store), behind=()), Tokenizer.open(Path(tokenizer))
prepared = prepare(store, store.manifest("one"), tokenizer, settings, Path(place), lambda line: None)
devices = Devices(settings, print)
batches, digests = prepared.plan.batches, {}
for step in range(batches.steps, 0, -1):
    batch = assemble_batch(batches.lines(step), prepared.encoded, settings.batch, settings.length, 0)
    placed = [devices.place(array) for array in batch]
    assert len(placed[0].addressable_shards) == devices.count
    digest = hashlib.sha256(b"".join(devices.gather(array).tobytes() for array in placed))
    digests[step] = digest.hexdigest()
print(json.dumps([len(jax.devices()), devices.count, prepared.plan.id, digests]))
"""
CHANGED = {
    "length": 160,
    "batch": 8,
    "epochs": 2,
}  # and held_out, which JSON has no decimals for: the default


@pytest.fixture
def prepared(
    store: Store,
    trace_file: Path,
    tokenizer: Tokenizer,
    settings: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> Prepared:
    manifest = publish(store, "one", trace_file, (1, 100))
    return prepare(store, manifest, tokenizer, settings, tmp_path / "tokens", say)


@pytest.fixture
def settings(small: Settings) -> Settings:
    return replace(small, batch=8, epochs=2, held_out="0.05")


def digest(batch: Batch) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in batch)).hexdigest()


def digests(prepared: Prepared, batches: Batches, settings: Settings, first: int = 1) -> dict[int, str]:
    """The digest of every step's batch, from step `first`."""
    return {
        step: digest(
            assemble_batch(batches.lines(step), prepared.encoded, settings.batch, settings.length, pad=0)
        )
        for step in range(first, batches.steps + 1)
    }


def test_batches_are_equal_in_fresh_processes_on_1_2_4_and_8_devices(
    prepared: Prepared, store: Store, tokenizer_file: Path, settings: Settings, tmp_path: Path
) -> None:
    """One with the tokens of this process, the others with tokens of their own."""
    children = {
        count: subprocess.Popen(
            [
                *(sys.executable, "-c", CHILD, str(store.root), str(tokenizer_file)),
                *(str(tmp_path / ("tokens" if count == 1 else f"tokens{count}")), json.dumps(CHANGED)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "JAX_PLATFORMS": "cpu",
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
            },
        )
        for count in DEVICES
    }
    expected = digests(prepared, prepared.plan.batches, settings)
    assert len(set(expected.values())) == prepared.plan.steps > 8
    for count, child in children.items():
        output, _ = child.communicate(timeout=120)
        found, used, plan, observed = json.loads(output)
        assert (found, used, plan) == (count, count, prepared.plan.id)
        assert {int(step): value for step, value in observed.items()} == expected


def test_batches_are_equal_after_a_restart_at_every_step(
    prepared: Prepared,
    store: Store,
    tokenizer: Tokenizer,
    settings: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    """A run that goes on finds the plan and the tokens that the first one left."""
    write_plan(tmp_path / "run", plan_manifest(store, store.manifest("one"), tokenizer, settings, None, say))
    expected = digests(prepared, prepared.plan.batches, settings)
    for first in range(1, prepared.plan.steps + 1):
        again = prepare(store, store.manifest("one"), tokenizer, settings, tmp_path / "tokens", say)
        batches = Batches(pq.read_table(tmp_path / "run" / PLAN_FILE))
        rest = {step: value for step, value in expected.items() if step >= first}
        assert digests(again, batches, settings, first) == rest


def test_another_seed_gives_another_second_epoch_and_the_same_first_batch(
    prepared: Prepared, store: Store, tokenizer: Tokenizer, settings: Settings, tmp_path: Path
) -> None:
    """Nothing but what is asked for makes a difference, and what is asked for does."""
    manifest = store.manifest("one")
    plain = replace(settings, held_out="0")
    plans = [
        prepare(store, manifest, tokenizer, replace(plain, seed=seed), tmp_path / "tokens", lambda _: None)
        for seed in (1, 2)
    ]
    one, other = (digests(each, each.plan.batches, settings) for each in plans)
    assert one[1] == other[1]
    assert one[prepared.plan.steps] != other[prepared.plan.steps]
