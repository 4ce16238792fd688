"""Corrections where the tables are in a bucket: several hosts, each with a copy; a real server."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.cli.app import main
from opentr_pipeline.corrections.edit_files import EditFiles, rename_speaker
from opentr_pipeline.corrections.keeping import publish_all
from opentr_pipeline.corrections.listing import listed_corrections, undo
from opentr_pipeline.corrections.overlay import Overlay, put_corrections
from opentr_pipeline.corrections.phrase_edits import ChangedMeanwhileError, Wanted
from opentr_pipeline.corrections.phrases import Phrases
from opentr_pipeline.errors import StoreError
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.site.correcting import routes_of
from opentr_pipeline.site.server import application
from opentr_pipeline.transcripts import elsewhere
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline_tests.bucket_server import Between
from opentr_pipeline_tests.making import OTHER_OPTIONS, recording, settings_of, transcript
from opentr_pipeline_tests.transcripts.test_bucket_tables import host

pytestmark = pytest.mark.slow
PATH = "radio/a.mp3"
COPY = "zoo/same.mp3"  # the same bytes
SAID = [f"this is phrase {letter} of ours" for letter in "abcdefgh"]
NUM_PEOPLE, NUM_EACH = 3, 4
CORRECTING = """
import sys
from pathlib import Path
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline_tests.corrections.test_buckets import PATH, correct
from opentr_pipeline_tests.transcripts.test_bucket_tables import host

root, url, endpoint, name, count = sys.argv[1:]
store = host(Path(root), BucketAddress(url, endpoint))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    correct(store, number, f"{name}x{number}", name)
"""


@pytest.fixture
def hosts(tmp_path: Path, address: BucketAddress) -> Callable[[str], TranscriptStore]:
    """A store of each host; the first one has published a recording and its copy."""

    def made(name: str) -> TranscriptStore:
        return host(tmp_path / name, address)

    first = made("one")
    for path in (PATH, COPY):
        key = path.partition("/")[0]
        first.write_recordings(key, [recording(path, partition_key=key)])
        first.publish(key, [entry(path)])
    return made


def entry(path: str) -> Entry:
    return Entry(recording(path).recording_id, path, transcript(text=". ".join(SAID)))


def texts(store: TranscriptStore, path: str = PATH) -> list[str]:
    found = Phrases.of(store, path).all()
    return ["".join(text for text, _ in one.words).strip() for one in found]


def correct(store: TranscriptStore, number: int, word: str, who: str) -> None:
    """Put a word into a phrase, whatever others have made of it meanwhile."""
    while True:
        store.elsewhere.follow_all()
        found = Phrases.of(store, PATH)
        was = texts(store)[number]
        wanted = Wanted(found.all()[number].start_s, was, f"{was} {word}")
        try:
            found.correct(wanted, who)
        except ChangedMeanwhileError:
            continue
        return


def test_what_one_host_corrects_another_lists_takes_back_and_hears_anew(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress
) -> None:
    two = hosts("two")
    correct(two, 1, "indeed", "anna")
    (name,) = [one["path"] for page in obstore.list(object_store(address), "edits") for one in page]
    assert name == f"edits/{recording(PATH).media_fingerprint}.jsonl"
    # Another has neither the file nor the words that lie below; it publishes another model's.
    one = hosts("one")
    assert texts(one)[1] == f"{SAID[1]} indeed"
    assert texts(one, COPY)[1] == f"{SAID[1]} indeed"
    other = transcript(
        text=". ".join([*SAID[:2], "heard otherwise", *SAID[3:]]),
        settings_fingerprint=OTHER_OPTIONS.settings_fingerprint,
    )
    anew = Entry(recording(PATH).recording_id, PATH, Overlay(one).put(other))
    one.publish("radio", [anew])
    assert texts(one)[1:3] == [f"{SAID[1]} indeed", "heard otherwise"]
    # A third one, new, lists and undoes.
    three = hosts("three")
    listed = listed_corrections(three, PATH)
    assert [(found.who, found.state) for found in listed] == [("anna", "applied")]
    assert undo(three, [listed[0].edit_id], "berta", "") == ["radio", "zoo"]
    assert texts(hosts("two"))[1:3] == [SAID[1], "heard otherwise"]
    assert texts(hosts("two"), COPY) == SAID
    # Who takes the file away takes the corrections away, on every host.
    obstore.delete(object_store(address), [name])
    two = hosts("two")
    assert put_corrections(two, two.partition_keys()) == ["radio", "zoo"]
    assert (EditFiles(two).media(), listed_corrections(two)) == (set(), [])
    correct(two, 0, "anew", "anna")
    assert [found.who for found in listed_corrections(hosts("one"), PATH)] == ["anna"]


def test_who_is_overtaken_by_another_host_sees_that_first(
    hosts: Callable[[str], TranscriptStore], between: Between
) -> None:
    one, two = hosts("one"), hosts("two")

    def overtaken(number: int, wanted: Wanted, word: str) -> list[str]:
        """Correct, and let another host be faster by an instant."""

        def before(method: str, path: str) -> None:
            if method == "PUT" and "/edits/" in path:
                between.before = lambda method, path: None
                correct(two, number, word, "berta")

        between.before = before
        try:
            return Phrases.of(one, PATH).correct(wanted, "anna")
        finally:
            between.before = lambda method, path: None

    start_s = [found.start_s for found in Phrases.of(one, PATH).all()]
    with pytest.raises(ChangedMeanwhileError):
        overtaken(0, Wanted(start_s[0], SAID[0], "These are phrases"), "first")
    assert texts(one)[0] == f"{SAID[0]} first"
    assert overtaken(2, Wanted(start_s[1], SAID[1], "Something else"), "third") == ["radio", "zoo"]
    assert texts(one) == texts(hosts("three")) == texts(one, COPY)
    assert texts(one)[:3] == [f"{SAID[0]} first", "Something else", f"{SAID[2]} third"]
    assert {found.state for found in listed_corrections(one)} == {"applied"}
    # A name goes from what others have kept as well.
    Phrases.of(two, PATH).correct(Wanted(start_s[3], SAID[3], SAID[3], "Anna Rossi"), "berta")
    rename_speaker(EditFiles(one), "Anna Rossi", lambda _: ("Anna Neri", ()))
    two = hosts("two")
    put_corrections(two, two.partition_keys())
    assert Phrases.of(two, PATH).all()[3].speaker == "Anna Neri"


def test_who_publishes_old_corrections_over_new_ones_makes_it_good(
    hosts: Callable[[str], TranscriptStore], between: Between
) -> None:
    """A host changes a partition; another one's first correction comes between look and publish."""
    one, two = hosts("one"), hosts("two")
    overlay = Overlay(one)
    assert overlay.media == set()

    def before(method: str, path: str) -> None:
        if method == "PUT" and "/pointers/radio" in path:
            between.before = lambda method, path: None
            correct(two, 0, "indeed", "berta")

    between.before = before
    ids = one.read_partition("transcripts", "radio")["recording_id"].to_pylist()

    def change(found: Transcript) -> Transcript:
        return dataclasses.replace(found, peaks=(1, 2, 3))

    one.change("radio", overlay.under_all(dict.fromkeys(ids, change)))
    assert texts(one)[0] == texts(hosts("three"))[0] == f"{SAID[0]} indeed"


def test_several_hosts_at_once_lose_no_correction(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress, buckets: str, tmp_path: Path
) -> None:
    hosts("one")
    straight = BucketAddress(address.url, buckets)
    people = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", CORRECTING, str(tmp_path / f"host {number}")),
                *(straight.url, straight.endpoint, f"person{number}", str(NUM_EACH)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for number in range(NUM_PEOPLE)
    ]
    for person in people:
        assert person.stdout
        assert person.stdout.readline() == "ready\n"
    for person in people:
        person.communicate("go\n")
    assert [person.returncode for person in people] == [0] * NUM_PEOPLE
    for path in (PATH, COPY):
        found = texts(host(tmp_path / "reader", straight), path)
        for number in range(NUM_EACH):
            wanted = {f"person{one}x{number}" for one in range(NUM_PEOPLE)}
            assert set(found[number].removeprefix(SAID[number]).split()) == wanted


def test_files_and_pages_correct_what_is_in_a_bucket(
    hosts: Callable[[str], TranscriptStore],
    address: BucketAddress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the commands, and on a page that one host serves while others correct."""
    hosts("one")
    (tmp_path / "archive").mkdir()
    variables = {
        "ARCHIVE_DIR": str(tmp_path / "archive"),
        "OUTPUT_DIR": address.url,
        "S3_ENDPOINT_URL": address.endpoint,
        "OPENTR_HOME": str(tmp_path / "state"),
        "PAGES_CORRECT": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def told(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.output

    told("export", "--format", "srt", "--output", str(tmp_path / "taken home"))
    file = tmp_path / "taken home" / f"{PATH}.srt"
    file.write_text(file.read_text().replace("phrase a of", "the first phrase of"))
    assert "of words" in told("import", str(file), "--who", "anna")
    assert texts(hosts("two"))[0] == "this is the first phrase of ours"
    settings = settings_of(variables)
    desk = TestClient(application(tmp_path / "pages", tmp_path / "archive", routes_of(settings)))
    seen = desk.get("/corrections", params={"path": PATH}).json()
    said = {"path": PATH, "start_s": seen["phrases"][2]["start_s"], "was": SAID[2], "who": "berta"}
    kept = desk.post("/corrections", json={**said, "text": "other words"})
    assert kept.status_code == 200
    monkeypatch.setattr(elsewhere, "FOLLOW_S", 0.0)
    two = hosts("two")
    assert texts(two)[2] == "other words"
    undo(two, [listed_corrections(two, PATH)[0].edit_id], "carla", "")
    now = desk.get("/corrections", params={"path": PATH, "version": seen["version"]}).json()
    first = "".join(text for text, _ in now["phrases"][0]["words"]).strip()
    assert first == texts(two)[0] != "this is the first phrase of ours"
    assert "undone" in told("corrections", "list")


def test_what_git_and_editors_bring_to_one_host_is_the_same_on_each(
    hosts: Callable[[str], TranscriptStore], address: BucketAddress
) -> None:
    """A file that is here alone, and one that is changed here while it is changed there."""
    bucket, media = object_store(address), recording(PATH).media_fingerprint
    name = f"edits/{media}.jsonl"
    correct(hosts("one"), 0, "first", "anna")
    path = EditFiles(hosts("one")).path(media)
    brought = path.read_bytes()
    obstore.delete(bucket, [name])
    put_corrections(hosts("two"), ["radio", "zoo"])
    one = hosts("one")
    put_corrections(one, ["radio", "zoo"])
    assert (texts(one), path.exists()) == (SAID, False)
    # Git brings it: applied here, it is there, and the next publication of another keeps it.
    path.write_bytes(brought)
    assert publish_all(one) == ["radio", "zoo"]
    assert bytes(obstore.get(bucket, name).bytes()) == brought
    two = hosts("two")
    assert put_corrections(two, two.partition_keys()) == []
    assert texts(two)[0] == f"{SAID[0]} first"
    # Changed on both; neither writes over the other's, nor sends what is damaged.
    correct(two, 1, "second", "berta")
    (line,) = brought.splitlines()
    by_hand = {**json.loads(line), "id": "by hand", "start_s": 0.0, "why": "by hand"}
    here = brought + json.dumps(by_hand).encode()
    path.write_bytes(here + b"\n<<<<<<<\n")
    EditFiles(one).follow()
    assert b"<<<<<<<" in path.read_bytes()
    with pytest.raises(StoreError, match="is no correction"):
        publish_all(one)
    assert b"<<<<<<<" not in bytes(obstore.get(bucket, name).bytes())
    path.write_bytes(path.read_bytes().replace(b"<<<<<<<\n", b""))
    publish_all(one)
    kept = bytes(obstore.get(bucket, name).bytes())
    assert kept == path.read_bytes()
    assert [json.loads(said)["who"] for said in kept.splitlines()] == ["anna", "berta", "anna"]
    assert {found.why for found in listed_corrections(hosts("two"), PATH)} == {"", "by hand"}
    two = hosts("two")
    assert put_corrections(two, two.partition_keys()) == []
    # What is gone there goes here with the next look, and does not come back.
    obstore.delete(bucket, [name])
    EditFiles(one).load(media)
    assert not path.exists()


def test_a_server_that_refuses_what_holds_ends_in_a_sentence(
    hosts: Callable[[str], TranscriptStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hosts("one")
    correct(one, 0, "first", "anna")

    def refuse(*_: object, **__: object) -> None:
        raise obstore.exceptions.PreconditionError("no")

    monkeypatch.setattr(obstore, "put", refuse)
    said = "cannot be used: it refuses a condition that holds"
    with pytest.raises(StoreError, match=said):
        correct(one, 1, "second", "anna")
