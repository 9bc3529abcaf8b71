"""The other end of soaking/server.py: asks for rounds, and keeps what the process looked like after each."""

import json
import random
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks.soaking.commands import SECONDS, BreachError, Commands
from benchmarks.soaking.invariants import Watched
from benchmarks.soaking.world import NEEDS
from manifests.words import count

SERVER = (sys.executable, "-P", "-m", "benchmarks.soaking.server")
_FAILING = """name = "failing"
[[source]]
name = "two"
files = "broken/*.jsonl"
columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }
"""


class Client:
    """A process that lives for a whole soak. A context manager. `looks` are what it looked like, round by round."""

    def __init__(
        self, commands: Commands, watched: Watched, folder: Path, server: Sequence[str] = SERVER
    ) -> None:
        self.looks: list[dict[str, int]] = []
        self._watched, self._folder = watched, folder / "server"
        (self._folder / "broken").mkdir(parents=True)
        (self._folder / "broken" / "lines.jsonl").write_text(
            '{"prompt": "a", "reasoning": "b", "answer": "c"}\n{"prompt'
        )
        (self._folder / "failing.toml").write_text(_FAILING)
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            list(server), env=commands.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        commands.known.add(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def can_work(self) -> bool:
        """Whether the store has what a round needs: the name that a recipe asks for."""
        return any(name in NEEDS.values() for name, _ in self._watched.names)

    def work(self, draw: random.Random) -> None:
        """Ask for a round. BreachError when anything went wrong in it."""
        world = self._watched.world
        chosen = draw.sample(sorted(world.recipes), 2)
        asked = {
            "store": str(self._watched.store.root),
            "folder": str(self._folder),
            "recipes": {str(world.recipes[recipe]): world.ids[recipe] for recipe in chosen},
            "failing": str(self._folder / "failing.toml"),
            "workers": draw.choice((1, 2)),
            "deep": draw.random() < 0.5,  # noqa: PLR2004
        }
        if self._process.stdin is None or self._process.stdout is None:
            raise BreachError("the process that lives on has no pipes")
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            self._process.kill()
            raise BreachError(f"the process that lives on does not answer for {SECONDS} seconds")
        answer = self._process.stdout.readline()
        if not answer:
            raise BreachError(f"the process that lives on has ended ({self._process.wait()})")
        look = json.loads(answer)
        if wrong := look.pop("wrong"):
            raise BreachError(f"the process that lives on: {'; '.join(wrong)}")
        self.looks.append(look)
        self._watched.loose -= {world.ids[recipe] for recipe in chosen}

    def told(self) -> str:
        """What it looks like."""
        if not self.looks:
            return "no round yet"
        first, last = self.looks[0], self.looks[-1]
        memory = f"{first['memory'] / 2**20:.0f} → {last['memory'] / 2**20:.0f} MiB"
        counts = ", ".join(
            f"{first[what]:,} → {last[what]:,} {what}" for what in ("handles", "threads", "objects")
        )
        return f"{count(len(self.looks), 'round')}, {memory}, {counts}"
