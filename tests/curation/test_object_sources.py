"""Sources in an object store, against a local S3 server: the same ids as from folders, and only what is needed."""

from pathlib import Path

import pytest

from curation.errors import SourceError
from curation.files import find_files
from manifests.keys import Trace
from tests.curation.helpers import (
    build_mix,
    message_of,
    numbers_of,
    run_command,
    run_python,
    source,
    store_at,
    traces,
    write_recipe,
    write_traces,
)
from tests.object_server import Bucket, Request, bucket, cut, error_body, object_server

__all__ = ["bucket", "object_server"]

ENDINGS = ("parquet", "jsonl", "json", "csv", "tsv")


def write_tree(folder: Path) -> Path:
    """Files in every format, in folders, beside some that no glob should take."""
    for number, ending in enumerate(ENDINGS):
        write_traces(folder / f"part-{number}" / f"rows.{ending}", traces(10, 100 * number + 1))
    write_traces(folder / "part-0" / ".hidden.jsonl", traces(1, 900))
    write_traces(folder / ".hidden" / "rows.jsonl", traces(1, 901))
    write_traces(folder / "rows.jsonl", traces(1, 902))
    write_traces(folder / "a" / "b" / "ü.jsonl", traces(1, 903))
    write_traces(folder / "a" / "b" / "z.jsonl", traces(1, 904))
    return folder


def test_a_bucket_and_a_folder_with_the_same_bytes_give_the_same_id(bucket: Bucket, tmp_path: Path) -> None:
    here = write_tree(tmp_path / "here")
    there = bucket.put_folder(here, "upstream/v1")
    local = build_mix(tmp_path / "local", source("one", f"{here}/part-*/rows.*", rows=[3, 47]))
    remote = build_mix(tmp_path / "remote", source("one", f"{there}/part-*/rows.*", rows=[3, 47]))
    assert remote.manifest.id == local.manifest.id


def test_the_id_of_objects_is_frozen(bucket: Bucket, tmp_path: Path) -> None:
    write_traces(tmp_path / "up" / "rows.jsonl", traces(5))
    there = bucket.put_folder(tmp_path / "up", "upstream/v1")
    built = build_mix(tmp_path, source("one", f"{there}/*.jsonl"))
    assert built.manifest.id == "986d149f1ebdbf26c64e5eed76909b366fe089cd943cafc84549357a9e64851e"


@pytest.mark.parametrize(
    "pattern",
    ["*.jsonl", "**", "**/*.jsonl", "part-*/rows.[cpt]*", "part-?/*", "a/**/z.jsonl", "a/b/ü.jsonl", ".h*/*"],
)
def test_globs_over_a_bucket_match_as_over_a_folder(bucket: Bucket, tmp_path: Path, pattern: str) -> None:
    here = write_tree(tmp_path / "here")
    there = bucket.put_folder(here, "some/prefix")
    bucket.put("some/prefix/part-0/", b"")  # what consoles put to show a folder
    bucket.put("some/prefix-and-more/rows.jsonl", b"")
    _, local = find_files("one", f"{here}/{pattern}", tmp_path)
    base, remote = find_files("one", f"{there}/{pattern}", tmp_path)
    assert [file.path for file in remote] == [file.path for file in local]
    assert {str(file.here) for file in remote} == {f"{base}/{file.path}" for file in remote}


def big_traces(count: int, first: int) -> list[Trace]:
    return [row._replace(reasoning=f"{row.reasoning} {row.answer * 400}") for row in traces(count, first)]


def test_of_files_before_a_range_only_the_footers_are_read(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(3):
        write_traces(tmp_path / "up" / f"{number}.parquet", big_traces(200, 1000 * number + 1))
    there = bucket.put_folder(tmp_path / "up", "up")
    whole = (tmp_path / "up" / "2.parquet").stat().st_size
    with bucket.requests() as requests:
        built = build_mix(tmp_path, source("one", f"{there}/*.parquet", rows=[405, 412]))
    assert numbers_of(built.manifest) == list(range(405, 413))
    sent = [sum(asked.sent for asked in requests if asked.path.endswith(f"/{n}.parquet")) for n in range(3)]
    assert max(sent[:2]) < whole * 0.2
    # One whole pass of the file that holds the rows, for its SHA-256; beside it two or three row groups of fifty, and
    # its footer (65,536 bytes, what pyarrow reads at least) whenever it is opened.
    assert whole <= sent[2] < whole * 1.06 + 12 * 65_536
    with bucket.requests() as requests:
        build_mix(tmp_path / "again", source("one", f"{there}/*.parquet", rows=[1, 8]))
    assert not [asked for asked in requests if asked.method == "GET" and asked.path.endswith("/2.parquet")]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_object_replaced_while_it_is_read_is_refused(bucket: Bucket, tmp_path: Path, ending: str) -> None:
    first = write_traces(tmp_path / f"first.{ending}", traces(20)).read_bytes()
    second = write_traces(tmp_path / f"second.{ending}", traces(20, 50)).read_bytes()
    url = bucket.put(f"rows.{ending}", first)
    reads = 0

    def replace(request: Request) -> None:
        nonlocal reads
        reads += request.method == "GET" and request.path.endswith(f"rows.{ending}")
        if reads == 2:
            bucket.gate.after = None
            bucket.put(f"rows.{ending}", second)

    bucket.gate.after = replace
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", url))
    assert "changed while it was being read" in message_of(raised)
    assert url in message_of(raised)
    assert store_at(tmp_path / "store").versions() == []


def test_workers_read_objects_as_well(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces(tmp_path / "up" / "rows.jsonl", traces(40))
    write_traces(tmp_path / "up" / "rows.parquet", traces(40, 100))
    there = bucket.put_folder(tmp_path / "up", "up")
    recipe = write_recipe(tmp_path / "mix.toml", source("one", f"{there}/*"))
    done = run_command(capsys, "build", recipe, "--workers", 2, "--store", tmp_path / "store", "--json")
    assert done.result["rows"] == 80


def test_regenerate_finds_the_objects_again_or_where_it_is_told(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces(tmp_path / "up" / "rows.jsonl", traces(40))
    there = bucket.put_folder(tmp_path / "up", "up")
    elsewhere = bucket.put_folder(tmp_path / "up", "moved/here")
    built = build_mix(tmp_path, source("one", f"{there}/*"))
    arguments = ("regenerate", built.manifest.id, "--store", tmp_path / "store")
    done = run_command(capsys, *arguments, "--out", tmp_path / "again", "--json")
    assert done.result["verified"] is True
    bucket.remove("up/rows.jsonl")
    missing = run_command(capsys, *arguments, "--out", tmp_path / "third")
    assert (missing.status, "is not there" in missing.error) == (2, True)
    given = run_command(
        capsys, *arguments, "--out", tmp_path / "fourth", "--sources", f"one={elsewhere}", "--json"
    )
    assert given.result["verified"] is True


def test_a_benchmark_may_lie_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    questions = "".join(
        f'{{"question": "{" ".join(f"word{n}" for n in range(k, k + 20))}"}}\n' for k in range(3)
    )
    (tmp_path / "questions.jsonl").write_text(questions)
    url = bucket.put("evaluation/questions.jsonl", questions.encode())
    rows = [row._replace(prompt=" ".join(f"word{n}" for n in range(20))) for row in traces(1)]
    write_traces(tmp_path / "one.jsonl", [*rows, *traces(9, 2)])
    built = [
        build_mix(
            tmp_path / str(number),
            source("one", tmp_path / "one.jsonl"),
            decontaminate={"against": [against], "column": "question"},
        ).manifest
        for number, against in enumerate((str(tmp_path / "questions.jsonl"), url))
    ]
    assert built[0].identity.rejects == 1
    assert built[0].id == built[1].id


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("s3://{bucket}", "is a bucket; give an object or a glob"),
        ("s3://*/rows.jsonl", "the bucket by its name"),
        ("s3:///rows.jsonl", "the bucket by its name"),
        ("s3://{bucket}/up", "is a folder; give a file or a glob such as s3://{bucket}/up/*.parquet"),
        ("s3://{bucket}/none/*.jsonl", "no file matches s3://{bucket}/none/*.jsonl"),
        ("s3://{bucket}/none.jsonl", "no file matches s3://{bucket}/none.jsonl"),
        ("s3://no-such-bucket/*.jsonl", "The specified bucket does not exist"),
        ("s3://no-such-bucket/rows.jsonl", "The specified bucket does not exist"),
        ("s3://KEY:SECRET@{bucket}/rows.jsonl", "credentials belong into the environment"),
        ("simplecache::s3://{bucket}/rows.jsonl", "credentials belong into the environment"),
        ("s4://{bucket}/rows.jsonl", "no file system is known for s4://"),
        ("s3://{bucket}/up/rows.txt", "expected a name ending in"),
    ],
)
def test_an_address_that_can_not_be_read_is_one_line(
    bucket: Bucket, tmp_path: Path, pattern: str, told: str
) -> None:
    bucket.put("up/rows.txt", b"text")
    name = bucket.url.removeprefix("s3://")
    with pytest.raises(SourceError) as raised:
        find_files("one", pattern.replace("{bucket}", name), tmp_path)
    assert told.replace("{bucket}", name) in message_of(raised)
    assert message_of(raised).startswith("source one: ")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("AWS_ACCESS_KEY_ID", "WRONG", "access denied"),
        ("AWS_ACCESS_KEY_ID", None, "no credentials"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "Could not connect"),
    ],
)
def test_a_store_that_does_not_answer_us_is_one_line(
    bucket: Bucket,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str | None,
    told: str,
) -> None:
    url = bucket.put("rows.jsonl", b"")
    if value is None:
        monkeypatch.delenv(setting)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(setting, value)
    bucket.forget()
    recipe = write_recipe(tmp_path / "mix.toml", source("one", url))
    done = run_command(capsys, "build", recipe, "--store", tmp_path / "store")
    assert done.status == 2
    assert told in done.error
    assert url in done.error
    assert "a-secret-of-the-tests" not in done.error


@pytest.mark.parametrize(("ending", "reads"), [("jsonl", 1), ("parquet", 1), ("parquet", 9)])
def test_a_right_that_is_taken_away_while_reading_is_one_line(
    bucket: Bucket, tmp_path: Path, ending: str, reads: int
) -> None:
    write_traces(tmp_path / "up" / f"rows.{ending}", big_traces(100, 1))
    url = bucket.put_folder(tmp_path / "up", "up")

    done = 0

    def refuse(request: Request) -> None:
        nonlocal done
        done += request.method == "GET" and request.path.endswith(f"rows.{ending}")
        if done == reads:
            bucket.gate.denied = frozenset({"GET", "HEAD"})

    bucket.gate.after = refuse
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", f"{url}/rows.{ending}"))
    assert "can't be read (access denied" in message_of(raised)


def test_a_connection_that_breaks_is_one_line(bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.put("rows.jsonl", b"")
    bucket.gate.before = cut
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", url))
    assert f"{url}: can't be listed (Connection was closed" in message_of(raised)


def test_without_the_extra_a_url_says_what_to_install(tmp_path: Path) -> None:
    write_recipe(tmp_path / "mix.toml", source("one", "s3://bucket/rows.jsonl"))
    said = run_python(
        "-c",
        "import sys; sys.modules['s3fs'] = None\n"
        "import curation.cli, manifests.cli\n"
        "sys.stderr = sys.stdout\n"
        f"print(curation.cli.main(['build', {str(tmp_path / 'mix.toml')!r}, '--store', {str(tmp_path / 'store')!r}]))\n"
        "print(manifests.cli.main(['list', '--store', 's3://bucket/store']))",
    )
    told = "s3:// needs an extra: pip install 'tunix-zero-cost[s3]'"
    assert said.splitlines() == [
        f"curation: error: source one: s3://bucket/rows.jsonl: {told}",
        "2",
        f"manifests: error: store s3://bucket/store: {told}",
        "2",
    ]


def test_a_key_that_would_be_read_as_a_version_of_another_object_is_refused(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put("up/rows.jsonl", write_traces(tmp_path / "rows.jsonl", traces(3)).read_bytes())
    # As a name, and not as a question for a version: the file system here would cut it.
    name = "rows.jsonl?versionId=1.jsonl"
    bucket.gate.rewrite = lambda _, body: body.replace(b"<Key>up/rows.jsonl<", f"<Key>up/{name}<".encode())
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", f"{bucket.url}/up/*.jsonl"))
    assert f"{bucket.url}/up/{name}: can't be read (with ?versionId= in its name another" in message_of(
        raised
    )


def test_a_store_that_asks_to_slow_down_is_not_told_as_a_change(bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.put("rows.jsonl", b"{}")
    busy = "503 Service Unavailable", error_body("ServiceUnavailable", "Come back later.")
    bucket.gate.instead = lambda request: busy if request.method == "GET" else None
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", url))
    assert "the store asks to slow down, or to try again later: Come back later" in message_of(raised)
    assert "changed" not in message_of(raised)
