"""Compiles a program, or finds what an earlier compilation of the same program told.

A compilation takes minutes; what it tells takes a few hundred bytes. They are kept under the SHA-256 of the program's
text, the target, and the versions and flags of the compilers: another program, chip or compiler is another file.
What a file holds that could not have been told is not believed, and told anew.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import jax

from manifests import disk
from training.errors import PreflightError
from training.preflight.links import KINDS, link_bytes
from training.preflight.programs import Program
from training.preflight.target import Target

FORMAT = 4
FLAGS = ("LIBTPU_INIT_ARGS", "XLA_FLAGS")  # of the environment: libtpu compiles as they say
# libtpu refuses a program for all that it uses, or already for its temporaries.
_USED = re.compile(r"[Uu]sed ([\d.]+)([KMGT]?) of [\d.]+[KMGT]? hbm")
_TEMPORARIES = re.compile(r"HLO temporaries \(([\d.]+)([KMGT]?)\) exceeds")
LARGEST = 2**16  # bytes of a file; what is told takes a few hundred
MOST = 2**60  # of anything that a compilation tells
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Compiled:
    """What a compilation told of one device.

    arguments    bytes that stay: weights, optimizer, batch
    temporaries  bytes besides, at the worst moment
    outputs      bytes of what is new (what is updated in place is an argument)
    over         bytes that the program needs where it does not fit, as the compiler says; 0 where it does
    links        bytes sent in a step, by kind of collective
    seconds      that the compilation took, then
    """

    arguments: int
    temporaries: int
    outputs: int
    over: int
    links: dict[str, float]
    seconds: float

    @property
    def bytes(self) -> int:
        """Memory of a device that the step needs."""
        return self.over or self.arguments + self.temporaries + self.outputs


def compile_program(
    program: Program, target: Target, cache: Path, say: Callable[[str], None]
) -> tuple[Compiled, bool]:
    """What the compilation of a program for a target tells, and whether `cache` told it.

    Raises `PreflightError` when it can't be compiled for another reason than memory.
    """
    # A program's text knows how many devices there are, and not which.
    compilers = (target.compiler, version("jaxlib"), *(os.environ.get(flag, "") for flag in FLAGS))
    key = "\n".join((str(FORMAT), *compilers, target.name, target.kind, program.lowered.as_text()))
    file = cache / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if (kept := _read(file)) is not None:
        return kept, True
    say(f"compiling for {program.devices} devices with {target.compiler}: minutes")
    compiled = _compile(program)
    disk.replace_file(file, json.dumps(asdict(compiled), indent=1).encode())
    return compiled, False


def _compile(program: Program) -> Compiled:
    began = time.monotonic()
    try:
        executable = program.lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        return _too_large(str(error), program.argument_bytes, time.monotonic() - began)
    memory = executable.memory_analysis()
    return Compiled(
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        outputs=max(memory.output_size_in_bytes - memory.alias_size_in_bytes, 0),
        over=0,
        links=link_bytes(executable.as_text(), program.devices),
        seconds=time.monotonic() - began,
    )


def _too_large(message: str, arguments: int, seconds: float) -> Compiled:
    for pattern, beside in ((_USED, 0), (_TEMPORARIES, arguments)):
        if found := pattern.search(message):
            over = int(float(found[1]) * _UNITS[found[2]]) + beside
            return Compiled(arguments, over - arguments, 0, over, {}, seconds)
    raise PreflightError(f"the step does not compile: {message.strip().splitlines()[0][:300]}")


def _read(file: Path) -> Compiled | None:
    """What is kept there; None when nothing is, or something that no compilation tells."""
    try:
        if file.stat().st_size > LARGEST:
            return None
        kept = Compiled(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    counts = (kept.arguments, kept.temporaries, kept.outputs, kept.over)
    if not all(type(count) is int and 0 <= count < MOST for count in counts) or not isinstance(
        kept.links, dict
    ):
        return None
    sizes = (kept.seconds, *kept.links.values())
    if not all(type(size) in (int, float) and 0 <= size < MOST for size in sizes) or not {*kept.links} <= {
        *KINDS
    }:
        return None
    return kept
