"""How a start of a run begins and ends, in its record. Pure."""

from collections.abc import Callable

from training.batches.plan import Plan
from training.loop.boundary import Boundary
from training.loop.budget import duration
from training.runs import folder
from training.runs.folder import Record
from training.runs.sessions import Session, begun, ended, say_moved

FINISHED = "finished"
RESULTS = (
    "cursor",
    "seen",
    "unseen",
    "left",
    "first_loss",
    "last_loss",
    "held_out_last",
    "adapter",
    "adapter_digest",
)
"""What only the record of a run has that is stopped or finished."""


def begun_record(record: Record, start: int, now: Session, say: Callable[[str], None]) -> Record:
    """The record of a run that goes on from step `start` in the environment `now`; says what is worth knowing of it."""
    earlier = record["sessions"]
    if start:
        say(f"going on from step {start}")
        say_moved(earlier, now, say)
    elif earlier:
        say("no checkpoint in it yet: begins anew")
    kept = {key: value for key, value in record.items() if key not in RESULTS}
    return {**kept, "status": folder.RUNNING, "resumed_from": start, "sessions": begun(earlier, start, now)}


def ended_record(record: Record, plan: Plan, done: int, boundary: Boundary) -> Record:
    """The record of a run that has ended with `done` steps done.

    cursor   steps done
    seen     traces of the plan that it was trained on
    left     when it is stopped: steps and traces up to the end of its schedule, and the seconds that they may take
    unseen   traces of the plan that its schedule does not come to
    """
    finished = done >= boundary.goal
    seen, all_seen = (len(plan.batches.samples(step)) for step in (done, boundary.goal))
    left = {
        "steps": boundary.goal - done,
        "traces": all_seen - seen,
        "seconds": boundary.seconds_for(boundary.goal - done),
    }
    return {
        **record,
        "status": folder.FINISHED if finished else folder.STOPPED,
        "cursor": done,
        "seen": seen,
        "left": None if finished else left,
        "unseen": plan.traces - all_seen,
        "sessions": ended(record["sessions"], done, FINISHED if finished else str(boundary.ended)),
    }


def say_ended(record: Record, say: Callable[[str], None]) -> None:
    """Say of a run that has ended what is left of it, and of its mix."""
    if left := record["left"]:
        pace = "" if left["seconds"] is None else f", about {duration(left['seconds'])} at the pace seen"
        say(
            f"stopped behind step {record['cursor']:,} ({record['sessions'][-1]['ended']}); left: "
            f"{left['steps']:,} steps with {left['traces']:,} traces not seen yet{pace}; the same command goes on"
        )
    if record["unseen"]:
        say(
            f"the schedule was laid for {record['schedule']['steps']:,} of the plan's {record['steps']:,} steps: "
            f"{record['unseen']:,} of the {record['traces']:,} traces to train on are not in them"
        )
