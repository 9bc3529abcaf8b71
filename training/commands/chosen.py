"""What a training is asked for: the flags that several commands share, and what they choose."""

import argparse
import os
import sys
import warnings

from manifests.command import path
from training.errors import SettingsError
from training.models import MODELS, Model, model_of
from training.settings import Settings, read_config, with_flags
from training.tokenizer import Tokenizer


def add_plan_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that a plan depends on."""
    parser.add_argument("id", metavar="ID", help="name, name:version, id or the beginning of an id")
    parser.add_argument(
        "--tokenizer", type=path, metavar="FILE", help="a SentencePiece model (default with tiny: the demo's)"
    )
    parser.add_argument("--length", type=int, metavar="N", help="tokens in a row of a batch")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of the run (default: its epochs)")
    parser.add_argument("--config", type=path, metavar="FILE", help="settings as TOML; flags win over it")


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
    """The model, the settings (defaults, then file, then flags) and the tokenizer that the flags ask for."""
    model = model_of(options.model)
    settings = model.defaults
    if options.config is not None:
        settings = read_config(options.config, settings)
    settings = with_flags(settings, options.length, options.steps)
    if options.tokenizer is None and model.name != "tiny":
        raise SettingsError(f"--tokenizer is missing; model {model.name} has none of its own")
    tokenizer = Tokenizer.demo() if options.tokenizer is None else Tokenizer.open(options.tokenizer)
    return model, settings, tokenizer


def quiet_libraries() -> None:
    """Keep what Tunix, Orbax and JAX log below an error off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.simplefilter("ignore")
    from absl import logging  # comes with JAX's libraries, which `training plan` does without

    logging.set_verbosity(logging.ERROR)
    sys.unraisablehook = _report_unraisable


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Report what can't be raised, but for one thing.

    When Orbax gives up on a damaged checkpoint, its other reads end later, in threads of their own, and complain that
    the loop that waited for them is closed. The error itself was raised and told by then.
    """
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        sys.__unraisablehook__(unraisable)
