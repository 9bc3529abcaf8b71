"""What a training is asked for: the flags that several commands share, and what they choose."""

import argparse
import os
import sys
import warnings
from logging import CRITICAL, getLogger
from pathlib import Path

from manifests.command import path
from training.batches.tokenizer import Tokenizer
from training.errors import SettingsError
from training.models import MODELS, Model, model_of
from training.preflight.absent import answer_libtpu
from training.settings import Settings, read_config, with_flags

TOKENIZER = "tokenizer.model"


def add_plan_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that a plan depends on."""
    parser.add_argument("id", metavar="ID", help="name, name:version, id or the beginning of an id")
    add_base_flag(parser)
    parser.add_argument(
        "--tokenizer",
        type=path,
        metavar="FILE",
        help=f"a SentencePiece model (default: {TOKENIZER} of --base; with tiny: the demo's)",
    )
    parser.add_argument("--length", type=int, metavar="N", help="tokens in a row of a batch")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of the run (default: its epochs)")
    parser.add_argument("--config", type=path, metavar="FILE", help="settings as TOML; flags win over it")


def add_base_flag(parser: argparse.ArgumentParser) -> None:
    """The flag `--base`."""
    parser.add_argument(
        "--base", type=path, metavar="DIR", help="the folder of the model's weights (not with tiny)"
    )


def add_model_flag(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """The flag `--model`, required where it has no default."""
    known = f"the model: {', '.join(MODELS)}"
    parser.add_argument(
        "--model",
        required=default is None,
        default=default,
        metavar="NAME",
        help=known if default is None else f"{known} (default: {default})",
    )


def chosen(options: argparse.Namespace) -> tuple[Model, Settings, Tokenizer]:
    """The model, the settings (defaults, then file, then flags) and the tokenizer that the flags ask for.

    The tokenizer is that of `--tokenizer`, else of `--base`, else the demo's.
    """
    model = model_of(options.model)
    if options.base is not None and model.base_seed is not None:
        raise SettingsError(
            f"--base {options.base}: model {model.name} draws its weights from a seed; leave it out"
        )
    settings = model.defaults
    if options.config is not None:
        settings = read_config(options.config, settings)
    settings = with_flags(settings, options.length, options.steps)
    return model, settings, _tokenizer(model, options.tokenizer, options.base)


def _tokenizer(model: Model, file: Path | None, base: Path | None) -> Tokenizer:
    if file is not None:
        return Tokenizer.open(file)
    if base is not None and (base / TOKENIZER).is_file():
        return Tokenizer.open(base / TOKENIZER)
    if model.base_seed is not None:
        return Tokenizer.demo()
    where = f"{base} has no {TOKENIZER}" if base is not None else "without --base there is none to take"
    raise SettingsError(f"--tokenizer is missing, and {where}; give the {TOKENIZER} of {model.name}")


def quiet_libraries() -> None:
    """Keep what Tunix, Orbax, JAX and libtpu log off the terminal; an error that Orbax logs it raises as well."""
    answer_libtpu()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.simplefilter("ignore")
    from absl import logging  # comes with JAX's libraries, which `training plan` does without

    logging.set_verbosity(logging.FATAL)
    # When one of Orbax's writes fails, so do its others, and nobody asks them how it went.
    getLogger("asyncio").setLevel(CRITICAL)
    sys.unraisablehook = _report_unraisable


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Report what can't be raised, but for one thing.

    When Orbax gives up on a damaged checkpoint, its other reads end later, in threads of their own, and complain that
    the loop that waited for them is closed. The error itself was raised and told by then.
    """
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        sys.__unraisablehook__(unraisable)
