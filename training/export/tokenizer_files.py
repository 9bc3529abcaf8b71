"""A SentencePiece model as transformers reads it: `tokenizer.json` and `tokenizer_config.json`. No files are touched.

The pieces become a vocabulary with merges, as Gemma's own `tokenizer.json` has them: SentencePiece joins the two
neighbours whose piece has the highest score, and so the merges are the ways to cut a piece in two, the highest score
first. Symbols that a user defined are found before anything is joined; their text is looked for behind the
normalisation, where SentencePiece looks, so that runs of spaces are found too.
"""

import json
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from training.batches.tokenizer import MARKERS, Tokenizer
from training.errors import TokenizerError

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
MODEL_FILE, JSON_FILE, CONFIGURATION_FILE = "tokenizer.model", "tokenizer.json", "tokenizer_config.json"

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6  # SentencePiece's types of pieces
_BPE = 2
# What precedes an answer, as training puts it: texts go in as they are, and nobody but user and model speaks.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{% set role = 'user' %}"
    "{% elif message['role'] == 'assistant' %}{% set role = 'model' %}"
    "{% else %}{{ raise_exception('only the roles user and assistant were trained') }}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


class Pieces:
    """The pieces of a SentencePiece model that a chat template and BPE can be made from."""

    def __init__(self, model: bytes, where: str) -> None:
        """Raises `TokenizerError` for a file that is no such model, or one that cuts texts in another way."""
        self.special = Tokenizer(model, where).special
        # protobuf makes the class when the module is imported
        self._proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
        self._proto.ParseFromString(model)
        trainer, normalizer = self._proto.trainer_spec, self._proto.normalizer_spec
        expected = {
            "model_type": (trainer.model_type, _BPE),
            "byte_fallback": (trainer.byte_fallback, True),
            "treat_whitespace_as_suffix": (trainer.treat_whitespace_as_suffix, False),
            "add_dummy_prefix": (normalizer.add_dummy_prefix, False),
            "remove_extra_whitespaces": (normalizer.remove_extra_whitespaces, False),
            "escape_whitespaces": (normalizer.escape_whitespaces, True),
            "precompiled_charsmap": (normalizer.precompiled_charsmap, b""),
        }
        for key, (observed, wanted) in expected.items():
            if observed != wanted:
                raise TokenizerError(
                    f"{where}: {key} = {observed!r}, expected {wanted!r} as in Gemma's; such a tokenizer can't be put "
                    "into transformers' form"
                )
        self.end_of_text: int = trainer.eos_id
        if not 0 <= self.end_of_text < len(self._proto.pieces):
            raise TokenizerError(f"{where}: lacks a piece for the end of a text")

    def tokenizer_json(self) -> bytes:
        """`tokenizer.json`, as the library `tokenizers` reads it."""
        pieces = self._proto.pieces
        vocabulary = {piece.piece: number for number, piece in enumerate(pieces)}
        beginning = pieces[self.special.bos].piece
        opening = {"SpecialToken": {"id": beginning, "type_id": 0}}
        document = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": self._added(),
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            "pre_tokenizer": None,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [opening, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [
                    opening,
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 0}},
                ],
                "special_tokens": {
                    beginning: {"id": beginning, "ids": [self.special.bos], "tokens": [beginning]}
                },
            },
            "decoder": {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                ],
            },
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": next(piece.piece for piece in pieces if piece.type == _UNKNOWN),
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": True,
                "byte_fallback": True,
                "ignore_merges": False,
                "vocab": vocabulary,
                "merges": self._merges(),
            },
        }
        return json.dumps(document, ensure_ascii=False).encode() + b"\n"

    def tokenizer_configuration(self) -> bytes:
        """`tokenizer_config.json`, with the chat template that the adapter was trained on."""
        pieces, special = self._proto.pieces, self.special
        document = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": pieces[special.bos].piece,
            "eos_token": pieces[self.end_of_text].piece,
            "pad_token": pieces[special.pad].piece,
            "unk_token": pieces[self._proto.trainer_spec.unk_id].piece,
            "additional_special_tokens": list(MARKERS[2:]),
            "clean_up_tokenization_spaces": False,
            "padding_side": "left",
            "chat_template": CHAT_TEMPLATE,
        }
        return json.dumps(document, indent=2).encode() + b"\n"

    def _added(self) -> list[dict[str, object]]:
        """The pieces that are found in a text before BPE begins."""
        return [
            {
                "id": number,
                "content": piece.piece,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": piece.type == _USER_DEFINED and piece.piece not in MARKERS,
                "special": piece.type != _USER_DEFINED or piece.piece in MARKERS,
            }
            for number, piece in enumerate(self._proto.pieces)
            if piece.type in {_UNKNOWN, _CONTROL, _USER_DEFINED}
        ]

    def _merges(self) -> list[tuple[str, str]]:
        """The ways to cut each piece into two pieces; the first is the first to be joined."""
        normal = {piece.piece: piece.score for piece in self._proto.pieces if piece.type == _NORMAL}
        order = {piece: number for number, piece in enumerate(normal)}
        cuts = [
            (-score, order[left], order[right], left, right)
            for piece, score in normal.items()
            for end in range(1, len(piece))
            if (left := piece[:end]) in normal and (right := piece[end:]) in normal
        ]
        return [(left, right) for *_, left, right in sorted(cuts)]
