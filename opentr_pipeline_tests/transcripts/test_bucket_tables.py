"""Tables in a bucket: what other hosts and plain readers see, whoever publishes or dies."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pyarrow.parquet as pq
import pytest

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.errors import SettingsError, StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.speakers.people import NamedVoice, People, Person
from opentr_pipeline.speakers.people_store import PeopleStore
from opentr_pipeline.transcripts import bucket_tables
from opentr_pipeline.transcripts.bucket_tables import BucketTables
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.azure_server import new_container
from opentr_pipeline_tests.bucket_server import Between, new_bucket
from opentr_pipeline_tests.making import recording, transcript

AT = "2026-11-27T00:00:00+00:00"
PUBLISHING = """
import sys
from pathlib import Path
from opentr_pipeline_tests.transcripts.test_bucket_tables import entry, host
from opentr_pipeline.settings.addresses import BucketAddress

root, url, endpoint, name, count = sys.argv[1:]
store = host(Path(root), BucketAddress(url, endpoint))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    store.publish("radio", [entry(f"{name}-{number}")])
"""


@pytest.fixture
def hosts(tmp_path: Path, address: BucketAddress) -> Callable[[str], TranscriptStore]:
    """A store of each host, with a copy of its own."""
    return lambda name: host(tmp_path / name, address)


def host(root: Path, address: BucketAddress) -> TranscriptStore:
    tables = BucketTables(address, root)
    tables.follow_all()
    return TranscriptStore(root, elsewhere=tables)


def entry(path: str, text: str = "good morning. dear listeners", **facts: object) -> Entry:
    return Entry(f"id of {path}", path, transcript(path, text, **facts))


def names(address: BucketAddress) -> set[str]:
    return {one["path"] for page in obstore.list(object_store(address)) for one in page}


def public(address: BucketAddress, table: str = "transcripts", key: str = "radio") -> list[Any]:
    """What a reader finds who knows nothing of us."""
    content = obstore.get(object_store(address), f"{table}/{key}.parquet").bytes()
    return list(pq.read_table(io.BytesIO(content))["recording_id"].to_pylist())


def paths(store: TranscriptStore, key: str = "radio") -> list[str]:
    return list(store.read_partition("transcripts", key)["path"].to_pylist())


@pytest.mark.slow
def test_what_a_host_publishes_others_follow_and_any_reader_opens(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress, between: Between
) -> None:
    one, two = hosts("one"), hosts("two")
    one.write_recordings("radio", [recording("a.wav")])
    one.publish("radio", [entry("a.wav")])
    assert paths(two) == []
    two.publish("radio", [entry("b.wav")])
    assert paths(two) == ["a.wav", "b.wav"]
    assert two.read_partition("recordings", "radio").num_rows == 1
    one.publish("radio", [])
    assert paths(one) == ["a.wav", "b.wav"]
    for table in ("transcripts", "segments", "words"):
        mine = one.read_partition(table, "radio")["recording_id"].to_pylist()
        assert public(address, table) == mine
    # A third follows with a request for all that is as it was, and one for people.
    three = hosts("three")
    assert paths(three) == ["a.wav", "b.wav"]
    between.asked.clear()
    assert paths(hosts("three")) == ["a.wav", "b.wav"]
    assert [one.method for one in between.asked] == ["GET", "GET"]
    # The same again costs two requests and writes nothing.
    between.asked.clear()
    three.publish("radio", [entry("a.wav")])
    assert [one.method for one in between.asked] == ["GET", "GET"]
    between.asked.clear()
    three.write_recordings("radio", [recording("a.wav")])
    assert [one.method for one in between.asked] == ["GET", "GET"]
    # Of what counted before nothing is left.
    counting = {name for name in names(address) if name.startswith(".store/partitions/")}
    assert len(counting) == 4, counting


@pytest.mark.slow
def test_who_is_overtaken_follows_and_adds(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress, between: Between
) -> None:
    """By name: the other publishes when ours is about to; and while a third follows."""
    one, two = hosts("one"), hosts("two")

    def overtake(path_part: str, other: TranscriptStore, path: str) -> Callable[[str, str], None]:
        def before(method: str, asked: str) -> None:
            if path_part in f"{method} {asked}":
                between.before = lambda method, path: None
                other.publish("radio", [entry(path)])

        return before

    between.before = lambda method, path: (
        overtake("", two, "b.wav")(method, path) if method == "PUT" and "pointers" in path else None
    )
    one.publish("radio", [entry("a.wav")])
    assert paths(one) == ["a.wav", "b.wav"]
    between.before = lambda method, path: (
        overtake("", one, "c.wav")(method, path)
        if method == "GET" and path.endswith("words.parquet")
        else None
    )
    assert paths(hosts("three")) == ["a.wav", "b.wav", "c.wav"]
    # While the copies are made: they are made again.
    between.before = lambda method, path: (
        overtake("", two, "d.wav")(method, path)
        if method == "PUT" and "/segments/radio" in path
        else None
    )
    one.publish("radio", [entry("e.wav")])
    assert public(address, "words")[-1] == "id of e.wav"
    assert set(public(address)) == {f"id of {letter}.wav" for letter in "abcde"}


@pytest.mark.slow
def test_who_dies_before_the_pointer_leaves_nothing_that_anybody_sees(
    hosts: Callable[[str], TranscriptStore],
    address: BucketAddress,
    between: Between,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = hosts("one")
    one.publish("radio", [entry("a.wav")])
    before = names(address)
    for number, when in enumerate(["/.store/pointers/radio", "/transcripts/radio"]):
        process = publishing(tmp_path / "two", address, f"b{number}", 1)

        def die(method: str, path: str, when: str = when, process: Any = process) -> None:
            if method == "PUT" and when in path:
                between.before = lambda method, path: None
                process.send_signal(signal.SIGKILL)
                process.wait()
                raise ConnectionAbortedError

        between.before = die
        process.communicate("go\n")
        assert process.returncode == -signal.SIGKILL
        if number == 0:
            assert public(address) == ["id of a.wav"]
            assert paths(one) == paths(hosts("three")) == ["a.wav"]
            assert names(address) > before, "a generation that does not count"
    # After the pointer: it counts, and the next publish makes the copies, removing what is old.
    assert paths(hosts("three")) == ["a.wav", "b1-0"]
    assert public(address) == ["id of a.wav"]
    monkeypatch.setattr(bucket_tables, "ORPHANED", timedelta(0))
    hosts("two").publish("radio", [])
    assert public(address) == ["id of a.wav", "id of b1-0"]
    assert len([name for name in names(address) if ".store/partitions" in name]) == 3


def publishing(
    root: Path, address: BucketAddress, name: str, count: int
) -> "subprocess.Popen[str]":
    """A host of its own that publishes when it is told to."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", PUBLISHING, str(root)),
            *(address.url, address.endpoint, name, str(count)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_six_writers_at_once_lose_nothing(
    address: BucketAddress, buckets: str, tmp_path: Path
) -> None:
    straight = BucketAddress(address.url, buckets)
    writers = [publishing(tmp_path / f"w{n}", straight, f"w{n}", 4) for n in range(6)]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait() for writer in writers] == [0] * 6
    wanted = {f"id of w{n}-{number}" for n in range(6) for number in range(4)}
    assert set(public(straight)) == set(public(straight, "words")) == wanted
    assert set(paths(host(tmp_path / "reader", straight))) == {w[6:] for w in wanted}


@pytest.mark.slow
def test_azure_lets_nobody_overwrite_what_another_has_published(azure: str, tmp_path: Path) -> None:
    """The same promises on a real server of another kind of conditions."""
    address = new_container(azure)
    BucketTables(address, tmp_path / "any").claim("az://tapes")
    hosts = [host(tmp_path / f"h{number}", address) for number in range(4)]

    def publish(number: int) -> None:
        for again in range(3):
            hosts[number].publish("radio", [entry(f"{number}-{again}")])

    with ThreadPoolExecutor(len(hosts)) as threads:
        list(threads.map(publish, range(len(hosts))))
    wanted = {f"id of {number}-{again}" for number in range(4) for again in range(3)}
    assert set(public(address)) == set(public(address, "words")) == wanted
    assert {f"id of {path}" for path in paths(host(tmp_path / "reader", address))} == wanted
    counting = [name for name in names(address) if name.startswith(".store/partitions/")]
    assert len(counting) == 3, "of what counted before nothing is left"


@pytest.mark.slow
def test_a_server_that_ignores_conditions_is_refused(buckets: str, tmp_path: Path) -> None:
    bucket = new_bucket(buckets)
    for forgets in ({"if-match"}, {"if-none-match"}, set[str]()):
        between = Between(buckets, forgets=frozenset(forgets))
        with between.running() as endpoint:
            tables = BucketTables(BucketAddress(f"s3://{bucket}/a", endpoint), tmp_path)
            if not forgets:
                tables.claim("s3://tapes")
                tables.claim("s3://tapes")
                with pytest.raises(SettingsError, match=r"tables of s3://tapes, not of /other"):
                    tables.claim("/other")
                continue
            with pytest.raises(SettingsError, match="ignores conditions"):
                tables.claim("s3://tapes")


def test_tables_that_are_gone_are_said(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress, between: Between
) -> None:
    hosts("one").publish("radio", [entry("a.wav")])
    gone = [name for name in names(address) if name.endswith("words.parquet") and "/" in name[1:]]
    obstore.delete(object_store(address), gone)
    with pytest.raises(StoreError, match="are gone from"):
        hosts("two")
    missing = BucketAddress("s3://no-such-bucket/x", address.endpoint)
    with pytest.raises(StoreError, match="cannot be used"):
        host(Path("nowhere"), missing)


def test_names_of_people_are_added_to_those_of_other_hosts(
    hosts: Callable[[str], TranscriptStore],
) -> None:
    one, two = PeopleStore(hosts("one")), PeopleStore(hosts("two"))

    def added(name: str) -> Callable[[People], People]:
        person = Person(name, name, voices=(NamedVoice("m", "SPEAKER_00", (), named_at=AT),))
        return lambda people: People((*people.persons, person))

    one.change(added("Ada"))
    two.change(added("Bea"))
    one.change(added("Cem"))
    assert [person.name for person in PeopleStore(hosts("three")).load().persons] == [
        *("Ada", "Bea", "Cem"),
    ]


def test_who_follows_all_waits_for_who_changes_the_names_of_people(
    hosts: Callable[[str], TranscriptStore], tmp_path: Path, address: BucketAddress
) -> None:
    store = hosts("one")
    folder = PeopleStore(store).path.parent
    with ThreadPoolExecutor(1) as threads:
        with locked(folder / "lock"):
            following = threads.submit(BucketTables(address, tmp_path / "one").follow_all)
            with pytest.raises(TimeoutError):
                following.result(0.3)
        following.result(10)


def test_derived_files_are_sent_when_they_have_changed(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress, between: Between
) -> None:
    store = hosts("one")
    tree = store.root / "exports"
    (tree / "radio").mkdir(parents=True)
    (tree / "radio" / "a.srt").write_text("1")
    (tree / "radio" / "é?.txt").write_text("2")
    (tree / ".written").mkdir()
    (tree / ".written" / "radio.json").write_text("{}")
    (tree / "media").symlink_to("/etc/hostname")
    store.elsewhere.send("exports")
    assert names(address) == {"exports/radio/a.srt", "exports/radio/é?.txt"}
    between.asked.clear()
    store.elsewhere.send("exports")
    assert not between.asked
    (tree / "radio" / "a.srt").write_text("other")
    (tree / "radio" / "é?.txt").unlink()
    store.elsewhere.send("exports")
    assert names(address) == {"exports/radio/a.srt"}
    assert bytes(obstore.get(object_store(address), "exports/radio/a.srt").bytes()) == b"other"
