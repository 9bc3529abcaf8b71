"""Training from a store in an object store: a manifest's id is all it takes there too."""

from tests.curation.team import Team, team
from tests.object_server import bucket, object_server
from training.cli import main

__all__ = ["bucket", "object_server", "team"]


def test_a_run_is_planned_on_a_machine_that_has_seen_nothing_of_the_store(team: Team) -> None:
    identifier = team.build()
    plans = []
    for machine in ("first", "second"):
        team.machine(machine)
        plan = team.folder / machine
        assert main(["plan", identifier, "--store", team.store, "--out", str(plan)]) == 0
        plans.append((plan / "plan.json").read_bytes())
    assert plans[0] == plans[1]
    [mirror] = team.mirrors("second")
    assert (mirror / "datasets" / identifier / "data").is_dir()
