"""What can go wrong in training.

ZeroCostError                  every error a person may meet, in all three packages (manifests/errors.py)
└── TrainingError
    ├── SettingsError          a flag, or a key of a configuration file, that can't be
    ├── ModelError             a model that this version does not train
    ├── BaseError              weights that are not there, another model's, or damaged
    ├── TokenizerError         a file that is no SentencePiece model, or one that lacks a piece
    ├── HostsError             hosts that can't train together
    ├── PlanError              a manifest that leaves nothing to train on
    ├── RunFolderError         a folder that is no run, another run's, or damaged
    ├── ParentRunError         a run that can't be continued from
    ├── PreflightError        a TPU that can not be compiled for
    ├── OverlapError           a check that said no: exit status 1
    └── OtherBaseError         a check that said no: exit status 1

A message is one line: what, where, expected against observed, what to do.
"""

from typing import ClassVar

from manifests.errors import ZeroCostError


class TrainingError(ZeroCostError):
    """Base of the errors of this package."""


class SettingsError(TrainingError):
    """A setting that is unknown, of the wrong type, or out of range."""


class ModelError(TrainingError):
    """A model name that is not in the table."""


class BaseError(TrainingError):
    """A folder of weights that can't be the base of the model."""


class TokenizerError(TrainingError):
    """A tokenizer file that can't be used."""


class HostsError(TrainingError):
    """Hosts that were to train together, and can't."""


class PlanError(TrainingError):
    """A manifest and settings that make no plan."""


class RunFolderError(TrainingError):
    """A run folder that can't be used for what was asked."""


class ParentRunError(TrainingError):
    """A run that a new one can't start from."""


class PreflightError(TrainingError):
    """A TPU that can't be compiled for, or a step that can't be."""


class OverlapError(TrainingError):
    """A manifest that repeats what an earlier run consumed."""

    exit_status: ClassVar[int] = 1


class OtherBaseError(TrainingError):
    """Weights that an adapter was not trained on."""

    exit_status: ClassVar[int] = 1
