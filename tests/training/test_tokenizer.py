"""What tokenizers promise: single ids for the turn markers, a digest, and the same bytes from the same texts."""

import io
from pathlib import Path

import pytest
import sentencepiece

from curation.build import build
from curation.recipe_reader import find_recipe, read_recipe
from manifests.store import Store
from tests.training.helpers import sums
from training.batches.tokenizer import DEMO_TOKENIZER, DEMO_VOCABULARY, MARKERS, Tokenizer, train_tokenizer
from training.errors import TokenizerError


def test_training_twice_on_the_same_texts_gives_the_same_bytes() -> None:
    texts = [text for trace in sums(60) for text in trace]
    assert train_tokenizer(texts, 330) == train_tokenizer(iter(texts), 330)


def test_no_path_gets_into_a_trained_tokenizer(tokenizer_file: Path) -> None:
    assert str(tokenizer_file.parent).encode() not in tokenizer_file.read_bytes()


@pytest.mark.parametrize(
    "text",
    ["plain words", "  spaces  kept  ", "two\nlines\n\nand\ttabs", "日本語 and 🎈", "1234 and 5", ""],
)
def test_text_comes_back_exactly(tokenizer: Tokenizer, text: str) -> None:
    [ids] = tokenizer.encode([text])
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("threads", [1, 2, 7, -1])
def test_the_number_of_threads_does_not_change_the_ids(tokenizer: Tokenizer, threads: int) -> None:
    texts = [text for trace in sums(200) for text in trace]
    expected = [tokenizer.encode([text])[0] for text in texts]
    assert [ids.tolist() for ids in tokenizer.encode_arrays(texts, threads)] == expected


def test_each_marker_is_one_piece(tokenizer: Tokenizer) -> None:
    assert len(set(tokenizer.special.ids)) == 4
    assert tokenizer.decode(tokenizer.special.ids) == "".join(MARKERS)


def test_gemmas_own_tokenizer_works(shared_tokenizers: Path) -> None:
    gemma = Tokenizer.open(shared_tokenizers / "gemma" / "tokenizer.model")
    assert (gemma.vocabulary, gemma.special.ids) == (256_000, (0, 2, 106, 107))
    [ids] = gemma.encode(["<think>\nOne plus one.\n</think>\n\nTwo."])
    assert gemma.decode(ids) == "<think>\nOne plus one.\n</think>\n\nTwo."


def test_the_demo_tokenizer_is_what_training_it_again_gives(store: Store) -> None:
    """From the dataset of demo-session1, on whatever machine."""
    built = build(read_recipe(find_recipe("demo-session1")), store)
    texts = (
        text
        for block in store.dataset_blocks(built.manifest)
        for name in ("prompt", "reasoning", "answer")
        for text in block.column(name).to_pylist()
    )
    assert train_tokenizer(texts, DEMO_VOCABULARY) == DEMO_TOKENIZER.read_bytes()
    assert Tokenizer.demo().vocabulary == DEMO_VOCABULARY


def test_a_tokenizer_without_turns_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["some words and other words"] * 5),
        model_writer=model,
        vocab_size=25,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = tmp_path / "plain.model"
    path.write_bytes(model.getvalue())
    with pytest.raises(TokenizerError, match="lacks the piece <pad>, <bos>, <start_of_turn>, <end_of_turn>"):
        Tokenizer.open(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 64])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.model"
    path.write_bytes(content)
    with pytest.raises(TokenizerError):
        Tokenizer.open(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="No such file"):
        Tokenizer.open(tmp_path / "missing.model")


@pytest.mark.parametrize("vocabulary", [-1, 0, 10])
def test_a_vocabulary_too_small_for_the_bytes_is_refused(vocabulary: int) -> None:
    with pytest.raises(TokenizerError, match=f"no tokenizer of {vocabulary} pieces"):
        train_tokenizer(["a few words"], vocabulary)
