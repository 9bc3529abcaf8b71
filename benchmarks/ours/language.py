"""English or not by the filter of a build. Run by the contest `language`.

    python -m benchmarks.ours.language TEXTS OUT

As `rivals/verdicts.py`: two processes hold the texts and a loaded filter before the clock runs.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from curation.language.filters import LanguageFilter, make_filter
from curation.recipe import Language

PROCESSES, LOT = 2, 250


class Worker:
    """What a process holds."""

    texts: Sequence[str] = ()
    english: LanguageFilter

    @classmethod
    def start(cls, texts: Sequence[str]) -> None:
        """Load."""
        cls.texts, cls.english = texts, make_filter(Language("en"))
        cls.english.raw_verdicts(texts[:1])

    @classmethod
    def ready(cls) -> None:
        """Take so long that no process answers for another."""
        time.sleep(0.1)

    @classmethod
    def judge(cls, first: int) -> list[bool]:
        """A lot of texts."""
        return [verdict is None for verdict in cls.english.raw_verdicts(cls.texts[first : first + LOT])]


def main() -> None:
    """Judge, write, tell the seconds."""
    texts, out = json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])
    with multiprocessing.get_context("spawn").Pool(PROCESSES, Worker.start, (texts,)) as pool:
        for process in [pool.apply_async(Worker.ready) for _ in range(PROCESSES)]:
            process.get()
        began = time.perf_counter()
        lots = pool.imap(Worker.judge, range(0, len(texts), LOT))
        english = [verdict for lot in lots for verdict in lot]
        seconds = time.perf_counter() - began
    (out / "english.json").write_text(json.dumps(english), encoding="ascii")
    slow = make_filter(Language("en")).slow_because
    print(json.dumps({"seconds": seconds, "slow because": slow}))


if __name__ == "__main__":
    main()
