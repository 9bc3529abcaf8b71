"""The layers of Tunix's Gemmas as we train them: other attention where asked for, and names on what they compute.

A name does nothing by itself: a remat policy keeps or drops what carries it (`training.network.remat`).
"""

from typing import Any, TypeAlias

import jax
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from training.network import chunked, splash
from training.network.chunked import ChunkedMask
from training.network.splash import SplashMask

SegmentsMask: TypeAlias = SplashMask | ChunkedMask

QUERY, KEY, VALUE, ATTENDED, MIXED = "query", "key", "value", "attended", "mixed"
GATE, UP, FED = "gate", "up", "fed"


class Attention2(gemma2.Attention):
    """Gemma-2's attention; a `SegmentsMask` in the place of a mask makes it splash, or chunked."""

    def block(
        self, x: jax.Array, segment_pos: jax.Array, cache: Any, attn_mask: jax.Array | SegmentsMask
    ) -> tuple[Any, jax.Array]:
        """[B, L, D] to the cache and [B, L, D]."""
        if not isinstance(attn_mask, SegmentsMask):
            dense: tuple[Any, jax.Array] = super().block(x, segment_pos, cache, attn_mask)
            return dense
        query, (key, value) = self.q_einsum(x), self.kv_einsum(x)
        query = gemma2.apply_rope(query, segment_pos, head_dim=self.head_dim) * self.head_dim**-0.5
        key = gemma2.apply_rope(key, segment_pos, head_dim=self.head_dim)
        local = self.attn_type == gemma2.AttentionType.LOCAL_SLIDING
        return None, _mixed(
            self, query, key, value, attn_mask, local=local, softcap=self.attn_logits_soft_cap
        )


class Attention3(gemma3.Attention):
    """Gemma-3's attention; see `Attention2`."""

    def block(
        self, x: jax.Array, segment_pos: jax.Array, cache: Any, attn_mask: jax.Array | SegmentsMask
    ) -> tuple[Any, jax.Array]:
        """[B, L, D] to the cache and [B, L, D]."""
        if not isinstance(attn_mask, SegmentsMask):
            dense: tuple[Any, jax.Array] = super().block(x, segment_pos, cache, attn_mask)
            return dense
        query, (key, value) = self.q_einsum(x), self.kv_einsum(x)
        rope = {
            "head_dim": self.head_dim,
            "base_frequency": self.rope_base_frequency,
            "scale_factor": self.rope_scale_factor,
        }
        query = gemma3.apply_rope(self._query_norm(query), segment_pos, **rope) * self.query_pre_attn_scalar
        key = gemma3.apply_rope(self._key_norm(key), segment_pos, **rope)
        local = self.attn_type == gemma3.AttentionType.LOCAL_SLIDING
        return None, _mixed(self, query, key, value, attn_mask, local=local, softcap=None)


class FeedForward2(gemma2.FeedForward):
    """Gemma-2's feed-forward layer, with names."""

    def block(self, x: jax.Array) -> jax.Array:
        """[B, L, D] to [B, L, D]."""
        return _fed(self, x)


class FeedForward3(gemma3.FeedForward):
    """Gemma-3's feed-forward layer, with names."""

    def block(self, x: jax.Array) -> jax.Array:
        """[B, L, D] to [B, L, D]."""
        return _fed(self, x)


_OURS = {
    gemma2.Attention: Attention2,
    gemma3.Attention: Attention3,
    gemma2.FeedForward: FeedForward2,
    gemma3.FeedForward: FeedForward3,
}


def become_ours(layers: Any) -> None:
    """Make Tunix's decoder layers ours: their parts get our classes, which add no state (qwix does the same)."""
    for layer in layers:
        for part in (layer.attn, layer.mlp):
            part.__class__ = _OURS[type(part)]


def _mixed(
    attention: Any,
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: SegmentsMask,
    *,
    local: bool,
    softcap: float | None,
) -> jax.Array:
    query, key = _named(query.astype(value.dtype), QUERY), _named(key.astype(value.dtype), KEY)
    window = attention.sliding_window_size if local else None
    value = _named(value, VALUE)
    if isinstance(mask, SplashMask):
        attended = splash.attend(query, key, value, mask, window, softcap, ATTENDED)
    else:
        attended = chunked.attend(query, key, value, mask, window, softcap, ATTENDED)
    return _named(attention.attn_vec_einsum(attended), MIXED)


def _fed(layer: Any, x: jax.Array) -> jax.Array:
    gate, up = _named(layer.gate_proj(x), GATE), _named(layer.up_proj(x), UP)
    return _named(layer.down_proj(nnx.gelu(gate) * up), FED)


def _named(array: jax.Array, name: str) -> jax.Array:
    named: jax.Array = checkpoint_name(array, name)  # type: ignore[no-untyped-call]
    return named
