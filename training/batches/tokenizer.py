"""SentencePiece tokenizers: opened with their digest, and trained deterministically.

Text goes through SentencePiece itself: Tunix's own tokenizer drops turn markers from its input and may double `<bos>`.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentencepiece

from training.errors import TokenizerError

MARKERS = ("<pad>", "<bos>", "<start_of_turn>", "<end_of_turn>")
DEMO_TOKENIZER = Path(__file__).parent / "tokenizers" / "demo.model"
DEMO_VOCABULARY = 4096
DEMO_DIGEST = "5ca3d0d5037d42a5c620245b1b6a89e62ecd34284bd6b823d97610e9d1b19e01"
ALL_CORES = -1


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that a template puts in by itself."""

    pad: int
    bos: int
    start_of_turn: int
    end_of_turn: int

    @property
    def ids(self) -> tuple[int, int, int, int]:
        """All of them."""
        return (self.pad, self.bos, self.start_of_turn, self.end_of_turn)


class Tokenizer:
    """A SentencePiece model in memory.

    `model` are the bytes of its file, `digest` their SHA-256, `vocabulary` is the number of its pieces.
    """

    def __init__(self, model: bytes, where: str) -> None:
        """Raises `TokenizerError` when `model` is no SentencePiece model or lacks a piece of `MARKERS`."""
        self.model = model
        self.digest = hashlib.sha256(model).hexdigest()
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError:
            raise TokenizerError(f"{where}: not a SentencePiece model; give a tokenizer.model file") from None
        self.vocabulary: int = self._processor.GetPieceSize()
        self.special = SpecialTokens(*self._marker_ids(where))

    @classmethod
    def open(cls, path: Path) -> "Tokenizer":
        """Read `path`. Raises `TokenizerError` when it can't be read or used."""
        try:
            model = path.read_bytes()
        except OSError as error:
            raise TokenizerError(f"tokenizer {path}: {error.strerror}") from error
        return cls(model, f"tokenizer {path}")

    @classmethod
    def demo(cls) -> "Tokenizer":
        """The tokenizer that ships with the project, trained on the dataset of `demo-session1`."""
        tokenizer = cls.open(DEMO_TOKENIZER)
        if tokenizer.digest != DEMO_DIGEST:
            raise TokenizerError(
                f"tokenizer {DEMO_TOKENIZER}: SHA-256 {tokenizer.digest}, expected {DEMO_DIGEST}; "
                "the file is damaged, install the project again"
            )
        return tokenizer

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, with nothing added."""
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str], threads: int = ALL_CORES) -> list[npt.NDArray[np.int32]]:
        """The ids of each text, with nothing added. The number of threads does not change them."""
        encoded: list[npt.NDArray[np.int32]] = self._processor.Encode(
            list(texts), return_type="numpy", num_threads=threads
        )
        return encoded

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; specials come out as their pieces."""
        pieces = self._processor
        markers = set(self.special.ids)
        text, run = "", list[int]()
        for token in [*map(int, ids), -1]:
            if token >= 0 and token not in markers:
                run.append(token)
                continue
            text, run = text + pieces.Decode(run), []
            if token >= 0:
                text += pieces.IdToPiece(token)
        return text

    def _marker_ids(self, where: str) -> list[int]:
        ids = [self._processor.PieceToId(marker) for marker in MARKERS]
        found = [self._processor.IdToPiece(token) for token in ids]
        missing = [marker for marker, piece in zip(MARKERS, found, strict=True) if marker != piece]
        if missing:
            raise TokenizerError(
                f"{where}: lacks the piece {', '.join(missing)}; the chat template needs each of "
                f"{', '.join(MARKERS)} as one piece, as Gemma's tokenizer has them"
            )
        return ids


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> bytes:
    """A SentencePiece model of at most `vocabulary` pieces; the same texts in the same order give the same bytes.

    BPE with byte fallback, no normalisation, no dummy prefix, one thread, no sampling, and the turn markers as
    user-defined symbols, as Gemma's tokenizer has them. Text goes in line by line, so that no piece crosses a line
    feed; the line feed is a piece of its own. Raises `TokenizerError` when the texts can't carry such a model.
    """
    lines = (line for text in texts for line in text.split("\n") if line)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=lines,
            model_writer=model,
            model_type="bpe",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            max_sentence_length=1 << 20,
            input_sentence_size=0,
            shuffle_input_sentence=False,
            num_threads=1,
            pad_id=0,
            eos_id=1,
            bos_id=2,
            unk_id=3,
            pad_piece="<pad>",
            eos_piece="<eos>",
            bos_piece="<bos>",
            unk_piece="<unk>",
            user_defined_symbols=["<start_of_turn>", "<end_of_turn>", "\n"],
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise TokenizerError(f"no tokenizer of {vocabulary} pieces from these texts: {reason}") from None
    return model.getvalue()
