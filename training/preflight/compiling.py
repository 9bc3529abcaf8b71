"""Compiles a program, or finds what an earlier compilation of the same program told.

A compilation takes minutes; what it tells takes a few hundred bytes. They are kept under the SHA-256 of the program's
text and the versions of the compilers: another program, or another compiler, is another file.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import jax

from manifests import disk
from training.errors import PreflightError
from training.preflight.links import link_bytes
from training.preflight.programs import Program

FORMAT = 3
# libtpu refuses a program for all that it uses, or already for its temporaries.
_USED = re.compile(r"[Uu]sed ([\d.]+)([KMGT]?) of [\d.]+[KMGT]? hbm")
_TEMPORARIES = re.compile(r"HLO temporaries \(([\d.]+)([KMGT]?)\) exceeds")
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
    program: Program, compiler: str, cache: Path, say: Callable[[str], None]
) -> tuple[Compiled, bool]:
    """What the compilation of a program tells, and whether `cache` told it.

    Raises `PreflightError` when it can't be compiled for another reason than memory.
    """
    key = hashlib.sha256(
        f"{FORMAT}\n{compiler}\n{version('jaxlib')}\n{program.lowered.as_text()}".encode()
    ).hexdigest()
    file = cache / f"{key}.json"
    if (kept := _read(file)) is not None:
        return kept, True
    say(f"compiling for {program.devices} devices with {compiler}: minutes")
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
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
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
    """What is kept there; None when nothing is, or something else."""
    try:
        return Compiled(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
