"""The model card: front matter that a YAML reader takes, and no markup from what a run says of itself."""

from dataclasses import replace

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.training.exports import trained_run
from training.batches.tokenizer import DEMO_TOKENIZER
from training.export.card import MERGED, ORBAX, PEFT, model_card
from training.export.trained import Loss, MixSource, TrainedRun
from training.models import MODELS, TINY

HOSTILE = (
    "\"quoted\": 'x'\n---\n# heading\n- a: [b](javascript:c)\n<script>alert(1)</script> "
    "`code` | cell {{ x }} \u2028"
)


@pytest.fixture(scope="module")
def run() -> TrainedRun:
    return trained_run(TINY.shape, DEMO_TOKENIZER)


def front_matter(card: str) -> dict[str, object]:
    opening, text, _ = card.split("---\n", 2)
    assert opening == ""
    told: dict[str, object] = yaml.safe_load(text)
    return told


@pytest.mark.parametrize("kind", [PEFT, MERGED, ORBAX])
def test_a_card_of_a_public_model_names_base_licence_and_notice(kind: str, run: TrainedRun) -> None:
    card = model_card(replace(run, model=MODELS["gemma3-1b-it"]), kind)
    told = front_matter(card)
    assert told["base_model"] == "google/gemma-3-1b-it"
    assert told["license"] == "gemma"
    assert told["base_model_relation"] == ("adapter" if kind == PEFT else "finetune")
    assert told["library_name"] == {PEFT: "peft", MERGED: "transformers", ORBAX: "tunix"}[kind]
    assert "Gemma Terms of Use" in card
    assert ("PeftModel" in card) == (kind == PEFT)
    assert ("google/gemma-3-1b-it" in card.split("---\n", 2)[2]) == (kind == PEFT)
    assert ("tunix.models.gemma3" in card) == (kind == ORBAX)


def test_a_card_of_a_drawn_model_claims_no_base_and_no_licence(run: TrainedRun) -> None:
    card = model_card(replace(run, model=TINY), PEFT)
    assert not {"license", "base_model", "base_model_relation"} & front_matter(card).keys()
    assert "Gemma Terms" not in card
    assert "can be loaded from nowhere" in card
    assert "can be loaded from nowhere" not in model_card(replace(run, model=TINY), MERGED)


def test_a_card_says_what_it_is_of(run: TrainedRun) -> None:
    card = model_card(replace(run, continued_from="9" * 64), PEFT)
    for digest in (*run.digests.values(), "9" * 64):
        assert digest in card
    assert "3 of 5 steps" in card
    assert "| sums | 10 | 6 | 1 |" in card
    assert "| 2.0000 | 1.0000 |" in card


def test_a_card_says_what_a_reader_must_know(run: TrainedRun) -> None:
    plain = model_card(run, MERGED)
    assert "quantised" not in plain
    assert "`overlap`" not in plain
    assert "quantised" in model_card(replace(run, settings=replace(run.settings, quantize="nf4")), MERGED)
    assert "`overlap`" in model_card(replace(run, record={"overlap": {"counts": {}}}), MERGED)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.just(HOSTILE), st.text(max_size=60)))
def test_no_name_takes_effect_as_yaml_or_markup(name: str) -> None:
    run = trained_run_once()
    hostile = replace(
        run,
        manifest_name=name,
        settings=replace(run.settings, template=name, quantize=f"to {name}"),
        mix=(MixSource(name, 1, 1, 0),),
        losses=(Loss(f"held out, {name}", 1.0, 1.0),),
    )
    for kind in (PEFT, MERGED):
        card, plain = model_card(hostile, kind), model_card(run, kind)
        told = front_matter(card)
        assert told.pop("model_name") == f"{name} on small"
        assert told == {key: value for key, value in front_matter(plain).items() if key != "model_name"}
        blocks, inline = read_markdown(card)
        plain_blocks, plain_inline = read_markdown(plain)
        # One paragraph more: what is said of a base that was quantised.
        place = plain_blocks.index("paragraph_close") + 1
        assert blocks == [*plain_blocks[:place], "paragraph_open", "paragraph_close", *plain_blocks[place:]]
        assert set(inline) == set(plain_inline) == {"text", "softbreak", "code_inline"}
        assert inline.count("code_inline") == plain_inline.count("code_inline")


def read_markdown(card: str) -> tuple[list[str], list[str]]:
    """The kinds of the blocks of a card behind its front matter, and of what is in them."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(card.split("---\n", 2)[2])
    inline = [child.type for token in tokens for child in token.children or ()]
    return [token.type for token in tokens if token.type != "inline"], inline


_RUNS: list[TrainedRun] = []


def trained_run_once() -> TrainedRun:
    """Drawn once: hypothesis asks often."""
    if not _RUNS:
        _RUNS.append(trained_run(TINY.shape, DEMO_TOKENIZER))
    return _RUNS[0]
