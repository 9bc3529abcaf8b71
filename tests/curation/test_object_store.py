"""A store in an object store, against a local S3 server: what is published there, and what another machine reads."""

import io

import pyarrow.parquet as pq
import pytest

from tests.curation.helpers import files_below, traces, write_traces
from tests.curation.team import DATA, Team, complaint, team
from tests.object_server import bucket, cut, object_server

__all__ = ["bucket", "object_server", "team"]


def test_what_one_machine_builds_another_lists_shows_and_verifies(team: Team) -> None:
    local = team.curation("build", team.recipe, "--json", store=team.folder / "store").result
    built = team.curation("build", team.recipe, "--json").result
    assert built == local
    assert sorted(team.bucket.objects()) == sorted(
        f"team/store/{path}" for path in files_below(team.folder / "store") if not path.startswith("local/")
    )
    team.machine("second")
    listed = team.manifests("list", "--json").result["manifests"]
    assert isinstance(listed, list)
    assert [entry["rows"] for entry in listed if entry["name"] == "mix"] == [20]
    assert not list((team.mirrors("second")[0]).glob("manifests/*"))  # no table was fetched
    shown = team.manifests("show", "mix", "--json").result
    assert shown["id"] == built["id"]
    assert shown["dataset"] == f"{team.store}/datasets/{built['id']}"
    assert not list((team.mirrors("second")[0]).glob("datasets/*"))
    checked = team.manifests("verify", "mix:1", "--dataset", "--deep", "--json").result
    assert checked["dataset_rows"] == 20


def test_a_manifest_is_found_by_the_beginning_of_its_id_and_compared(team: Team) -> None:
    first = team.build()
    write_traces(team.folder / "one.jsonl", traces(21))
    second = team.build()
    team.machine("second")
    assert team.manifests("audit", first[:12], second[:12]).status == 1
    assert team.manifests("diff", "mix:1", "mix:2").status == 0
    assert "one:3" in team.manifests("explain", "mix", "one:3").out


def test_a_build_that_is_there_already_sends_nothing_and_takes_no_number(team: Team) -> None:
    team.build()
    before = team.bucket.objects()
    for machine in ("first", "second"):
        team.machine(machine)
        with team.bucket.requests() as requests:
            again = team.curation("build", team.recipe, "--json").result
        assert again["version"] == 1
        puts = [asked.path.rpartition("/")[2] for asked in requests if asked.method == "PUT"]
        assert set(puts) == {".lock", "1"}  # both conditional, both refused
    assert team.bucket.objects() == before


def test_an_order_is_kept_in_which_nothing_is_named_that_is_not_whole(team: Team) -> None:
    with team.bucket.requests() as requests:
        identifier = team.build()
    puts = [asked.path for asked in requests if asked.method == "PUT" and not asked.path.endswith(".lock")]
    prefix = f"/{team.store.removeprefix('s3://')}"
    assert puts == [
        f"{prefix}/datasets/{identifier}/{DATA}",
        f"{prefix}/datasets/{identifier}/README.md",
        *(
            f"{prefix}/manifests/{identifier}/{name}"
            for name in ("rows.parquet", "rejects.parquet", "receipt.json", "manifest.json")
        ),
        f"{prefix}/refs/mix/1",
    ]


@pytest.mark.parametrize(
    ("path", "how"),
    [
        (f"datasets/ID/{DATA}", "damaged"),
        ("datasets/ID/README.md", "damaged"),
        ("manifests/ID/rows.parquet", "damaged"),
        ("manifests/ID/rejects.parquet", "damaged"),
        ("manifests/ID/receipt.json", "damaged"),
        ("manifests/ID/manifest.json", "damaged"),
        (f"datasets/ID/{DATA}", "missing"),
        ("manifests/ID/receipt.json", "missing"),
        ("manifests/ID/manifest.json", "missing"),
    ],
)
def test_what_is_damaged_is_told_by_its_url_and_put_right_by_the_next_build(
    team: Team, path: str, how: str
) -> None:
    identifier = team.build()
    before, place = team.bucket.objects(), f"team/store/{path.replace('ID', identifier)}"
    if how == "missing":
        team.bucket.remove(place)
    else:
        team.bucket.put(place, before[place][:-1] + b"?")
    team.machine("second")
    done = team.manifests("verify", "mix", "--dataset")
    if path.endswith("README.md") and how == "damaged":
        assert done.status == 1  # the card leads other readers elsewhere
    else:
        line = complaint(done, done.status)
        assert done.status == (2 if "manifest.json" in path else 1)
        assert team.store in line
    team.machine("third")
    team.build()
    team.machine("fourth")
    assert team.manifests("verify", "mix:1", "--dataset", "--deep").status == 0
    after = team.bucket.objects()
    after.pop(f"team/store/manifests/{identifier}/receipt.json")
    before.pop(f"team/store/manifests/{identifier}/receipt.json")  # its time is that of the build
    assert after == before


def test_a_receipt_that_states_other_files_is_mended_by_the_next_build(team: Team) -> None:
    identifier = team.build()
    place = f"team/store/manifests/{identifier}/rows.parquet"
    other = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(team.bucket.objects()[place])), other, compression="none")
    team.bucket.put(place, other.getvalue())
    team.machine("second")
    assert team.manifests("verify", "mix").status == 0  # the same rows
    assert "another size" in team.manifests("verify", "mix", "--deep").out
    team.machine("third")
    team.build()
    team.machine("fourth")
    assert team.manifests("verify", "mix", "--deep").status == 0


def test_regenerate_puts_a_dataset_that_is_gone_back(team: Team) -> None:
    identifier = team.build()
    before = team.bucket.objects()
    for name in (DATA, "README.md"):
        team.bucket.remove(f"team/store/datasets/{identifier}/{name}")
    team.machine("second")
    assert "not here" in team.manifests("show", "mix").out
    assert "curation regenerate" in complaint(team.manifests("verify", "mix", "--dataset"))
    folder = team.folder
    done = team.curation("regenerate", "mix", "--sources", f"one={folder}", "--json")
    assert done.result["verified"] is True
    assert team.bucket.objects() == before
    team.machine("first")  # which has the dataset in its mirror
    team.bucket.remove(f"team/store/datasets/{identifier}/{DATA}")
    assert team.curation("regenerate", "mix").status == 0
    assert team.bucket.objects() == before


def test_the_mirror_says_what_the_store_says_now(team: Team) -> None:
    identifier = team.build()
    team.bucket.remove("team/store/refs/mix/1")
    assert "no manifest of that name" in complaint(team.manifests("show", "mix"))
    team.bucket.put("team/store/refs/mix/1", b"0" * 64 + b"\n")
    assert "0000" in complaint(team.manifests("show", "mix"))
    for name in ("rows.parquet", "rejects.parquet", "receipt.json", "manifest.json"):
        team.bucket.remove(f"team/store/manifests/{identifier}/{name}")
    assert "no manifest's id begins" in complaint(team.manifests("show", identifier))


def test_a_name_that_is_no_id_is_told_and_not_followed(team: Team) -> None:
    team.build()
    team.bucket.put("team/store/refs/mix/1", b"x" * 100_000)
    with team.bucket.requests() as requests:
        assert "the file is damaged" in complaint(team.manifests("show", "mix"))
    assert sum(asked.sent for asked in requests if asked.path.endswith("refs/mix/1")) <= 200
    assert "the file is damaged" in team.manifests("list").err
    assert "the file is damaged" in complaint(team.curation("build", team.recipe))


def test_who_may_only_read_reads_and_is_told_before_any_work_that_it_can_not_build(team: Team) -> None:
    team.build()
    team.bucket.gate.denied = frozenset({"PUT", "POST", "DELETE"})
    team.machine("second")
    assert team.manifests("verify", "mix", "--dataset").status == 0
    with team.bucket.requests() as requests:
        line = complaint(team.curation("build", team.recipe))
    assert f"{team.store}/.lock: access denied" in line
    assert len(requests) == 1


def test_a_store_that_takes_a_conditional_put_twice_is_refused(team: Team) -> None:
    team.bucket.gate.ignores_conditions = True
    assert "took a second conditional put" in complaint(team.curation("build", team.recipe))
    assert set(team.bucket.objects()) == {"team/store/.lock"}


def test_without_the_network_it_is_said_where_the_mirror_is(team: Team) -> None:
    team.build()
    (mirror,) = team.mirrors("first")
    team.bucket.gate.before = cut
    line = complaint(team.manifests("show", "mix"))
    assert (
        f"--store {mirror} reads what this machine has of it; build nothing there, it would be lost" in line
    )
    assert "Connection was closed" in line
    assert team.manifests("verify", "mix", "--dataset", store=mirror).status == 0


@pytest.mark.parametrize("address", ["s3://no-such-bucket/store", "s3://no-such-bucket"])
def test_a_bucket_that_is_not_there_is_one_line(team: Team, address: str) -> None:
    for done in (
        team.manifests("show", "mix", store=address),
        team.curation("build", team.recipe, store=address),
    ):
        assert "bucket does not exist" in complaint(done)


def test_another_key_is_one_line(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.build()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONG")
    team.bucket.forget()
    for done in (team.manifests("show", "mix"), team.curation("build", team.recipe)):
        assert "access denied" in complaint(done)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://", "expected s3://BUCKET/PATH"),
        ("s3://KEY:SECRET@bucket/store", "credentials belong into the environment"),
        ("s3://bucket/st*re", "a store is one place"),
        ("s3://bucket//team", "without //, . and .. in the path"),
        ("s3://bucket/team//store", "without //, . and .. in the path"),
        ("s3://bucket/./team", "without //, . and .. in the path"),
        ("s3://bucket/team/..", "without //, . and .. in the path"),
        ("s3:/bucket/team", "a URL has two slashes: s3://BUCKET/PREFIX"),
        ("http://bucket/store", "conditional puts"),
        ("s4://bucket/store", "no file system is known"),
    ],
)
def test_an_address_that_can_be_no_store_is_one_line(team: Team, address: str, told: str) -> None:
    assert told in complaint(team.manifests("list", store=address))


def test_nothing_is_collected_where_nothing_can_be_locked(team: Team) -> None:
    team.build()
    before = team.bucket.objects()
    assert "an object store has no locks" in complaint(team.manifests("gc"))
    assert team.bucket.objects() == before
    (mirror,) = team.mirrors("first")
    assert team.manifests("gc", store=mirror).status == 0


def test_no_credential_lies_in_store_or_mirror(team: Team) -> None:
    team.build()
    kept = [*team.bucket.objects().values(), *files_below(team.mirrors("first")[0]).values()]
    assert not [data for data in kept if b"a-secret-of-the-tests" in data or b"A-KEY-OF" in data]
