"""What keeping a compilation promises: it stands for its program on its target, and what is damaged is made anew."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from training.preflight.compiling import Compiled, compile_program
from training.preflight.programs import Program
from training.preflight.target import Chip, Target

TARGET = Target("one:1", (), "one", Chip(2**34, 1.0, 1.0), 1.0, "compiler 1")


@pytest.fixture(scope="module")
def program() -> Program:
    traced = jax.jit(lambda x: x @ x).trace(jnp.ones((8, 8)))
    return Program(traced.jaxpr.jaxpr, traced.lower(), 1, 256)


def compiled(program: Program, target: Target, cache: Path) -> tuple[Compiled, bool]:
    return compile_program(program, target, cache, lambda _line: None)


def test_the_second_time_the_cache_tells(program: Program, tmp_path: Path) -> None:
    first, again = compiled(program, TARGET, tmp_path), compiled(program, TARGET, tmp_path)
    assert (first[1], again[1]) == (False, True)
    assert first[0] == again[0]


@pytest.mark.parametrize("other", [{"name": "other:1"}, {"kind": "other"}, {"compiler": "compiler 2"}])
def test_another_target_or_compiler_is_not_told_what_this_one_needs(
    other: dict[str, str], program: Program, tmp_path: Path
) -> None:
    """Eight chips of two kinds run a program of the same text; they don't have the same memory."""
    compiled(program, TARGET, tmp_path)
    assert not compiled(program, replace(TARGET, **other), tmp_path)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize("flag", ["LIBTPU_INIT_ARGS", "XLA_FLAGS"])
def test_other_flags_of_the_compiler_are_another_compiler(
    flag: str, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(program, TARGET, tmp_path)
    monkeypatch.setenv(flag, "--xla_something=true")
    assert not compiled(program, TARGET, tmp_path)[1]


DAMAGED = {
    "text": {"arguments": "many"},
    "negative": {"temporaries": -5},
    "truth": {"outputs": True},
    "infinite": {"over": float("inf")},
    "not a number": {"seconds": float("nan")},
    "no time": {"seconds": None},
    "absurd": {"arguments": 10**400},
    "list": {"links": []},
    "links of text": {"links": {"all-reduce": "1"}},
    "links without number": {"links": {"all-reduce": float("nan")}},
    "links of no kind": {"links": {"\x1b[2J": 1.0}},
    "more": {"another": 1},
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_what_no_compilation_tells_is_made_anew(
    change: dict[str, object], program: Program, tmp_path: Path
) -> None:
    good, _ = compiled(program, TARGET, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(asdict(good) | change), encoding="utf-8")
    anew, kept = compiled(program, TARGET, tmp_path)
    assert not kept
    assert anew == replace(good, seconds=anew.seconds)
    assert compiled(program, TARGET, tmp_path) == (anew, True)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", "[" * 60_000, '{"arguments": 1', "\x00", " " * 100_000 + "{}"]
)
def test_what_is_no_such_file_is_made_anew(text: str, program: Program, tmp_path: Path) -> None:
    compiled(program, TARGET, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(text, encoding="utf-8")
    assert not compiled(program, TARGET, tmp_path)[1]
