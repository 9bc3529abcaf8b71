"""What sketches tell of real data, beside brute force: the figures of benchmarks/sketch.py, held to loose bounds."""

import runpy
from pathlib import Path

import pytest

from manifests.store import Store
from tests.manifests.helpers import ROOT


@pytest.mark.slow
def test_near_duplicates_of_gsm8k_in_flan_cot_are_told_as_well_as_is_said(
    shared_data: Path, store_path: Path
) -> None:
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "sketch.py"))
    store = Store(store_path, behind=())
    first, second = benchmark["sides"](shared_data, store)
    pairs = benchmark["all_pairs"](first.sets, second.sets)
    assert (len(first.sets), len(second.sets)) == (33_442, 8_792)

    for part in benchmark["errors"](first.sketches, second.sketches, pairs):
        if part.pairs > 300:
            assert abs(part.bias) < 0.005
            assert 0.85 < part.ratio < 1.15

    outcomes = {
        str(outcome.threshold): outcome for outcome in benchmark["outcomes"](store, first, second, pairs)
    }
    told = {
        "0.5": (6_101, 0.95, 0.93),
        "0.7": (1_957, 0.75, 0.8),
        "0.8": (388, 0.55, 0.75),
        "0.9": (35, 0.5, 0.75),
    }
    for threshold, (near, precision, recall) in told.items():
        outcome = outcomes[threshold]
        assert outcome.near == near
        assert outcome.precision > precision
        assert outcome.recall > recall
        assert outcome.candidates_found > 0.999
        assert outcome.confirmed_precision == 1
        assert outcome.confirmed_recall > 0.995
