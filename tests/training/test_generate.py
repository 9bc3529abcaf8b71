"""What generation promises: with a cache, side by side and left-padded, exactly what full passes without one give."""

from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.training.helpers import TINY_GEMMA3, drawn_network
from training.batches.tokenizer import SpecialTokens
from training.errors import SettingsError
from training.loop.loss import isolating_mask, soft_capped
from training.loop.update import in_precision
from training.models import TINY, Shape
from training.network.gemma import Network, adapter_tensors
from training.network.tensors import tensors_digest
from training.replies.generate import Decoding, generate

VOCABULARY = 512
NEVER = SpecialTokens(pad=0, bos=2, start_of_turn=4, end_of_turn=VOCABULARY)  # no token: no reply ends
SHAPES = pytest.mark.parametrize("shape", [TINY.shape, TINY_GEMMA3], ids=["gemma2", "gemma3"])
MOST = 24


def prompts_of(*lengths: int) -> list[list[int]]:
    draw = np.random.default_rng(5)
    return [draw.integers(5, 500, length).tolist() for length in lengths]


PROMPTS = prompts_of(9, 3, 17)


@nnx.jit(static_argnums=2)
def likeliest(network: Network, tokens: jax.Array, precision: str) -> jax.Array:
    """[B, L] tokens to the likeliest token behind each place, by a full pass."""
    network = in_precision(network, precision)
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = network(tokens, positions, None, isolating_mask(jnp.ones_like(tokens)))
    embedding = network.embedder.input_embedding.get_value()
    logits = jnp.einsum("bld,vd->blv", hidden, embedding, preferred_element_type=jnp.float32)
    return jnp.argmax(soft_capped(logits, network.final_logits_softcap), axis=-1)


def full_passes(network: Network, prompts: list[list[int]], replies: list[list[int]]) -> list[list[int]]:
    """For every token of the replies, the likeliest one by a full pass over all that stands before it.

    One pass tells that of all of them: what stands behind a place does not change what follows it.
    """
    tokens = np.zeros((len(prompts), max(map(len, prompts)) + max(map(len, replies))), dtype=np.int32)
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        tokens[row, : len(prompt) + len(reply)] = [*prompt, *reply]
    found = np.asarray(likeliest(network, jnp.asarray(tokens), "float32"))
    return [
        row[len(prompt) - 1 : len(prompt) + len(reply) - 1].tolist()
        for row, prompt, reply in zip(found, prompts, replies, strict=True)
    ]


def restless(shape: Shape, precision: str = "float32") -> Network:
    """A network whose layers outweigh its embedding: one with drawn weights would say its last token for ever."""
    network, _ = drawn_network(shape, VOCABULARY, precision=precision)
    for layer in network.layers:
        for name in ("post_attn_norm", "post_attention_norm", "post_ffw_norm"):
            if (norm := getattr(layer, name, None)) is not None:
                norm.scale.set_value(norm.scale.get_value() + 20)
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return restless(TINY.shape)


@pytest.fixture(scope="module")
def replies(network: Network) -> list[list[int]]:
    return generate(network, PROMPTS, NEVER, Decoding(MOST), "float32")


@SHAPES
def test_greedy_replies_are_those_of_full_passes_without_a_cache_also_past_the_window(shape: Shape) -> None:
    network = restless(shape)
    window, most = shape.sliding_window, shape.sliding_window + 20
    prompts = prompts_of(1, 7, window - 5, window + 30)  # short ones go past the window too, by their replies
    replies = generate(network, prompts, NEVER, Decoding(most), "float32")
    assert [len(reply) for reply in replies] == [most] * len(prompts)
    assert replies == full_passes(network, prompts, replies)
    assert all(len(set(reply)) > 9 for reply in replies)


def test_in_bfloat16_it_computes_what_the_training_computes_in_bfloat16() -> None:
    """But for rounding, which decides between tokens that are about as likely."""
    network = restless(TINY_GEMMA3, "bfloat16")
    [reply] = generate(network, PROMPTS[:1], NEVER, Decoding(MOST), "bfloat16")
    tokens = jnp.asarray([[*PROMPTS[0], *reply]])
    full = likeliest(network, tokens, "bfloat16")[0, len(PROMPTS[0]) - 1 : -1].tolist()
    assert sum(one == other for one, other in zip(reply, full, strict=True)) > 0.8 * MOST


def test_a_reply_does_not_hang_on_the_prompts_beside_it(network: Network, replies: list[list[int]]) -> None:
    assert generate(network, PROMPTS[1:2], NEVER, Decoding(MOST), "float32") == replies[1:2]


def test_a_reply_ends_with_its_end_of_turn_while_others_go_on(
    network: Network, replies: list[list[int]]
) -> None:
    """What the model says third in its first reply is declared to be the end of a turn."""
    end = replies[0][2]
    ended = generate(network, PROMPTS, replace(NEVER, end_of_turn=end), Decoding(MOST), "float32")
    assert ended == [reply[: reply.index(end) + 1] if end in reply else reply for reply in replies]
    assert min(map(len, ended)) <= 3 < max(map(len, ended))


def test_nothing_of_the_network_changes(network: Network) -> None:
    before = tensors_digest(adapter_tensors(network))
    generate(network, PROMPTS, NEVER, Decoding(2, temperature=1.0), "float32")
    assert tensors_digest(adapter_tensors(network)) == before


def test_no_prompts_have_no_replies_and_one_token_is_a_reply(
    network: Network, replies: list[list[int]]
) -> None:
    assert generate(network, [], NEVER, Decoding(MOST), "float32") == []
    assert generate(network, PROMPTS, NEVER, Decoding(1), "float32") == [reply[:1] for reply in replies]


def test_draws_come_from_the_seed_alone(network: Network) -> None:
    first, again, other = (
        generate(network, PROMPTS, NEVER, Decoding(MOST, temperature=1.0, seed=seed), "float32")
        for seed in (1, 1, 2)
    )
    assert first == again != other
    [alone] = generate(network, PROMPTS[:1], NEVER, Decoding(MOST, temperature=1.0, seed=1), "float32")
    assert alone == first[0]


def test_draws_follow_the_softmax_of_the_capped_logits_over_the_temperature() -> None:
    """The first token of many replies to one prompt, against the probabilities that a full pass gives."""
    network = restless(TINY.shape)
    scale = network.final_norm.scale
    scale.set_value(scale.get_value() + 30)  # logits that the softcap bends
    prompt, temperature, count = PROMPTS[0], 6.0, 600
    tokens = jnp.asarray([prompt])
    hidden, _ = network(tokens, jnp.arange(len(prompt))[None], None, isolating_mask(jnp.ones_like(tokens)))
    logits = soft_capped(network.embedder.decode(hidden)[0, -1], network.final_logits_softcap)
    expected = np.asarray(jax.nn.softmax(logits / temperature))
    drawn = generate(network, [prompt] * count, NEVER, Decoding(1, temperature, seed=3), "float32")
    observed = Counter(reply[0] for reply in drawn)
    for token in np.argsort(-expected)[:5].tolist():
        deviation = np.sqrt(count * expected[token] * (1 - expected[token]))
        assert abs(observed[token] - count * expected[token]) < 5 * deviation


def test_a_temperature_near_zero_draws_what_greedy_decoding_takes(
    network: Network, replies: list[list[int]]
) -> None:
    assert generate(network, PROMPTS, NEVER, Decoding(MOST, temperature=1e-4), "float32") == replies


@pytest.mark.parametrize(
    "changed",
    [{"most": 0}, {"temperature": -0.5}, {"temperature": float("nan")}, {"temperature": float("inf")}],
)
def test_what_can_not_be_decoded_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"at most 0 tokens|temperature (-0.5|nan|inf): expected"):
        Decoding(**{"most": 3, **changed})  # type: ignore[arg-type]
