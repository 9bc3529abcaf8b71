"""The tokenizer that goes with an export: transformers cuts texts as SentencePiece did in training."""

import json
from typing import Any

import jinja2
import pytest
import tokenizers  # type: ignore[import-untyped]
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from training.batches.templates import encode_traces, template_of
from training.batches.tokenizer import DEMO_TOKENIZER, Tokenizer
from training.errors import TokenizerError
from training.export.tokenizer_files import CHAT_TEMPLATE, Pieces

DEMO = DEMO_TOKENIZER.read_bytes()


def with_symbols(model: bytes, *symbols: str) -> bytes:
    """A tokenizer that has `symbols` as Gemma's has runs of spaces and tags: found before anything is joined."""
    proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    proto.ParseFromString(model)
    for symbol in symbols:
        found = [piece for piece in proto.pieces if piece.piece == symbol] or [proto.pieces.add(piece=symbol)]
        found[0].type, found[0].score = USER_DEFINED, 0.0
    data: bytes = proto.SerializeToString()
    return data


NORMAL, USER_DEFINED, BYTE = 1, 4, 6  # SentencePiece's types of pieces
LIKE_GEMMAS = with_symbols(DEMO, "▁▁", "▁▁▁▁▁", "<b>", "\n\n", "▁the▁")
FAST = tokenizers.Tokenizer.from_str(Pieces(DEMO, "demo").tokenizer_json().decode())
# Control tokens are texts to SentencePiece, and tokens to transformers: that is what they are for there.
CONTROL = ("<pad>", "<bos>", "<eos>", "<unk>")


BOTH = [
    (Tokenizer(data, "file"), tokenizers.Tokenizer.from_str(Pieces(data, "file").tokenizer_json().decode()))
    for data in (DEMO, LIKE_GEMMAS)
]


def ids_of(text: str) -> list[int]:
    ids: list[int] = FAST.encode(text, add_special_tokens=False).ids
    return ids


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                [
                    "  ",
                    "\n",
                    "\t",
                    " the sum of",
                    "<think>",
                    "<start_of_turn>",
                    "<end_of_turn>",
                    "1,000",
                    "日本",
                    "▁",
                ]
            ),
        ),
        max_size=12,
    ).map("".join)
)
def test_any_text_is_cut_into_the_same_pieces(text: str) -> None:
    assume(not any(control in text for control in CONTROL))
    for tokenizer, fast in BOTH:
        assert fast.encode(text, add_special_tokens=False).ids == tokenizer.encode([text])[0]


def test_a_text_is_opened_and_read_back() -> None:
    special = Tokenizer.demo().special
    ids = FAST.encode("What is 2 plus 2?").ids
    assert ids[0] == special.bos
    assert FAST.decode(ids, skip_special_tokens=True) == "What is 2 plus 2?"
    assert ids_of("<start_of_turn><end_of_turn>") == [special.start_of_turn, special.end_of_turn]
    assert FAST.decode(ids_of("<end_of_turn>x"), skip_special_tokens=True) == "x"


def chat(messages: list[dict[str, str]], *, opened: bool = True) -> str:
    def fail(message: str) -> None:
        raise ValueError(message)

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - as transformers does
    environment.globals["raise_exception"] = fail
    template = environment.from_string(CHAT_TEMPLATE)
    return template.render(messages=messages, bos_token="<bos>", add_generation_prompt=opened)  # noqa: S106


def test_the_chat_template_gives_the_ids_that_training_saw() -> None:
    tokenizer = Tokenizer.demo()
    prompt, reasoning, answer = "  What is 2\nplus 2? ", "Two and two.", "4"
    template = template_of("gemma-think/1")
    [trace] = encode_traces(template, tokenizer, [prompt], [reasoning], [answer])
    user = {"role": "user", "content": prompt}
    assert ids_of(chat([user])) == trace.ids[: trace.loss_start].tolist()
    assistant = {"role": "assistant", "content": template.completion(reasoning, answer)}
    assert ids_of(chat([user, assistant], opened=False)) == trace.ids.tolist()
    with pytest.raises(ValueError, match="only the roles user and assistant"):
        chat([{"role": "system", "content": "Be brief."}])


def test_the_configuration_names_the_special_tokens() -> None:
    told = json.loads(Pieces(DEMO, "demo").tokenizer_configuration())
    names = [told[f"{key}_token"] for key in ("bos", "eos", "pad", "unk")]
    assert names == ["<bos>", "<eos>", "<pad>", "<unk>"]
    assert told["chat_template"] == CHAT_TEMPLATE
    assert told["additional_special_tokens"] == ["<start_of_turn>", "<end_of_turn>"]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("trainer_spec", "model_type", 1),
        ("trainer_spec", "byte_fallback", False),
        ("trainer_spec", "treat_whitespace_as_suffix", True),
        ("normalizer_spec", "add_dummy_prefix", True),
        ("normalizer_spec", "remove_extra_whitespaces", True),
        ("normalizer_spec", "escape_whitespaces", False),
        ("trainer_spec", "eos_id", -1),
    ],
)
def test_a_tokenizer_that_cuts_in_another_way_is_refused(part: str, key: str, value: object) -> None:
    proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    proto.ParseFromString(DEMO)
    setattr(getattr(proto, part), key, value)
    for piece in proto.pieces:
        if key == "byte_fallback" and piece.type == BYTE:  # or SentencePiece itself refuses it
            piece.type = NORMAL
    with pytest.raises(TokenizerError, match=f"file: (lacks a piece|{key} = )"):
        Pieces(proto.SerializeToString(), "file")
