"""What is found, and an index that is up to date whatever happens to who writes it."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dagster import AssetKey, DagsterInstance, materialize
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.cli.app import main
from opentr_pipeline.cli.search import _split
from opentr_pipeline.definitions import defs
from opentr_pipeline.defs.derived_assets import derived_assets
from opentr_pipeline.defs.handed_on import HANDED_ON, handed_on
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions
from opentr_pipeline.errors import QueryError, StoreError
from opentr_pipeline.pages.lists import page_of
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.passages import Wanted
from opentr_pipeline.search.query import Found, search
from opentr_pipeline.search.terms import terms_of, tokens_of
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline_tests.making import (
    PROPERTY,
    PROPERTY_ON_DISK,
    recording,
    settings_of,
    transcript,
)

ANYTHING = Wanted()
OPENTR = [sys.executable, "-m", "opentr_pipeline.cli.app"]
TEXTS = {
    "radio/a/one.wav": "Good morning. The light house stands. on the hill. Today, it rains. Don't",
    "radio/two.wav": "Guten Morgen. Der Leuchtturm. número uno",
    "film/three.mkv": "今日は、図書館. に行きます. ภาษาไทย",
    "film/four.mkv": ". ".join(f"word{n} every {n}" for n in range(30)),
    "film/five.mkv": "light and heavy. heavy and light. lighter lightest. the the the",
}


def _publish(store: TranscriptStore, path: str, text: str, **facts: object) -> None:
    one = recording(path, path, path.split("/", maxsplit=1)[0])
    outcome = transcript(path, text, **facts)
    store.publish(one.partition_key, [Entry(one.recording_id, path, outcome)])


def _filled(folder: Path) -> SearchIndex:
    store = TranscriptStore(folder)
    for path, text in TEXTS.items():
        _publish(store, path, text)
    index = SearchIndex(store)
    assert index.refresh(wait=False).num_partitions == 2
    return index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    return _filled(tmp_path_factory.mktemp("output"))


def _paths(index: SearchIndex, query: str, wanted: Wanted = ANYTHING) -> set[str]:
    return {hit.path for hit in search(index, query, wanted, 1000).hits}


@pytest.mark.parametrize(
    ("query", "first", "marked"),
    [
        ('"light house"', "radio/a/one.wav", ["light house"]),
        ('"HOUSE -- stands! on"', "radio/a/one.wav", ["house stands on"]),
        ("morning house", "radio/a/one.wav", ["morning", "house"]),
        ("good hill", "radio/a/one.wav", ["Good", "hill"]),
        ("lightes*", "film/five.mkv", ["lightest"]),
        ("don't", "radio/a/one.wav", ["Don't"]),
        ("numero", "radio/two.wav", ["número"]),
        ("日", "film/three.mkv", ["日"]),
        ("書館", "film/three.mkv", ["書館"]),
        ("図書館に", "film/three.mkv", ["図書館 に"]),
        ("ไทย", "film/three.mkv", ["ไทย"]),
    ],
)
def test_what_is_found(index: SearchIndex, query: str, first: str, marked: list[str]) -> None:
    hit = search(index, query, ANYTHING, 1).hits[0]
    assert hit.path == first
    assert [hit.text[a:b] for a, b in hit.marks] == marked


def test_a_given_text_is_found_in_the_place_of_the_models_and_goes_again(tmp_path: Path) -> None:
    index = _filled(tmp_path)
    store, one = TranscriptStore(tmp_path), recording("film/five.mkv", "film/five.mkv", "film")

    def given(before: Transcript) -> Transcript:
        segments = (dataclasses.replace(before.segments[0], text="quite other", words=()),)
        return dataclasses.replace(before, segments=segments, provided_fingerprint="f" * 64)

    store.change("film", {one.recording_id: given})
    index.refresh(wait=True)
    assert (_paths(index, "quite"), _paths(index, "lighter")) == ({"film/five.mkv"}, set())
    store.change("film", {one.recording_id: lambda _: transcript("film/five.mkv", "lighter")})
    index.refresh(wait=True)
    assert (_paths(index, "quite"), _paths(index, "lighter")) == (set(), {"film/five.mkv"})


@pytest.mark.parametrize("query", ['"house light"', "good rains", "ligh", "今は", "word1 word4"])
def test_what_is_not_found(index: SearchIndex, query: str) -> None:
    assert search(index, query, ANYTHING, 10) == Found([], 0, is_all=True)


def test_a_hit_says_where_and_the_best_comes_first(index: SearchIndex) -> None:
    best, other = search(index, "light", ANYTHING, 10).hits
    assert (best.path, best.start_s, other.path) == ("film/five.mkv", 0.0, "radio/a/one.wav")
    assert (other.start_s, other.end_s, other.text) == (2.0, 6.0, "The light house stands")
    assert best.score > other.score
    assert other.confidence == pytest.approx(0.779)  # exp(-0.25)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(folder="radio/a"), {"radio/a/one.wav"}),
        (Wanted(folder="/film/"), {"film/five.mkv"}),
        (Wanted(folder="fil"), set()),
        (Wanted(language="en"), {"radio/a/one.wav", "film/five.mkv"}),
        (Wanted(language="de"), set()),
        (Wanted(min_confidence=0.8), set()),
        (Wanted(folder="\udc80", language="\udc80"), set()),
        (Wanted(folder="a' OR \"1"), set()),
    ],
)
def test_a_search_is_narrowed(index: SearchIndex, wanted: Wanted, found: set[str]) -> None:
    assert _paths(index, "light", wanted) == found


def test_days_are_those_of_the_media_and_what_left_the_archive_is_not_found(
    tmp_path: Path,
) -> None:
    store = TranscriptStore(tmp_path)
    for name in ("key/1.wav", "key/2.wav"):
        _publish(store, name, "light")
    both = [recording(f"key/{n}.wav", f"key/{n}.wav", "key") for n in (1, 2)]
    store.write_recordings("key", both)  # of 2023-11-14
    index = SearchIndex(store)
    index.refresh(wait=False)
    day, next_day = date(2023, 11, 14), date(2023, 11, 15)
    assert len(_paths(index, "light", Wanted(after=day, before=next_day))) == 2
    assert _paths(index, "light", Wanted(after=next_day)) == set()
    assert _paths(index, "light", Wanted(before=day)) == set()
    store.write_recordings("key", both[:1])
    assert index.refresh(wait=False).num_partitions == 1
    assert _paths(index, "light") == {"key/1.wav"}


def _reference(texts: dict[str, str], query: str) -> set[str]:
    """Recordings in which all terms are in three segments in a row, looked for one by one."""
    found = set()
    for path, text in texts.items():
        spoken = [tokens_of(one) for one in text.split(". ")]
        for middle in range(len(spoken)):
            near = list(chain(*spoken[max(middle - 1, 0) : middle + 2]))
            if all(_holds(near, term.tokens, is_open=term.is_open) for term in terms_of(query)):
                found.add(path)
    return found


def _holds(tokens: list[str], wanted: Sequence[str], *, is_open: bool) -> bool:
    for place in range(len(tokens) - len(wanted) + 1):
        here = tokens[place : place + len(wanted)]
        if is_open:
            here[-1] = here[-1][: len(wanted[-1])]
        if here == list(wanted):
            return True
    return False


KNOWN = sorted({token for text in TEXTS.values() for token in tokens_of(text)})
PIECES = st.sampled_from([*KNOWN, *'" * ( ) : ^ - + AND OR NOT NEAR tokens'.split(), " ", "' ;--"])
QUERIES = st.text(max_size=30) | st.lists(PIECES, max_size=8).map(" ".join)
QUERIES |= st.lists(PIECES, max_size=8).map("".join)


@given(query=QUERIES)
@PROPERTY
def test_any_query_finds_what_a_naive_search_does(index: SearchIndex, query: str) -> None:
    try:
        found = _paths(index, query)
    except QueryError:
        assert not tokens_of(query)
    else:
        assert found == _reference(TEXTS, query)


@pytest.mark.slow
@given(
    st.lists(st.lists(st.sampled_from("a b ab 今 日 a日 ไท".split()), min_size=1), min_size=1),
    st.lists(st.sampled_from(["a", "b*", '"a', 'b"', "今", "日今", '"日 a', "*", '"']), min_size=1),
)
@PROPERTY_ON_DISK
def test_any_text_is_found_like_by_a_naive_search(
    segments: list[list[str]], query: list[str]
) -> None:
    text = ". ".join(" ".join(words) for words in segments)
    asked = "a " + " ".join(query)
    with tempfile.TemporaryDirectory() as folder:
        store = TranscriptStore(Path(folder))
        _publish(store, "key/1.wav", text)
        index = SearchIndex(store)
        index.refresh(wait=False)
        assert _paths(index, asked) == _reference({"key/1.wav": text}, asked)


def test_only_what_changed_is_indexed_and_nothing_old_is_found(tmp_path: Path) -> None:
    index = _filled(tmp_path)
    assert index.refresh(wait=False).num_partitions == 0
    assert index.refresh([], wait=True).num_partitions == 0
    later = "2025-05-17T10:20:30.123+00:00"
    _publish(index.store, "film/five.mkv", "quite another text", transcribed_at=later)
    _publish(index.store, "film/six.mkv", "no light here")
    _publish(index.store, "film/seven.mkv", "light", status="no_speech")
    assert _paths(index, "heavy") == {"film/five.mkv"}
    assert index.refresh(wait=False).num_partitions == 1
    assert _paths(index, "heavy") == set()
    assert _paths(index, "light") == {"radio/a/one.wav", "film/six.mkv"}
    assert index.num_segments("film") == 3 + 30 + 1 + 1
    for path in (tmp_path / "transcripts").glob("film.parquet"):
        path.unlink()
    (tmp_path / ".store/partitions/film/current").unlink()
    assert index.refresh(wait=False).num_partitions == 1
    assert _paths(index, "light") == {"radio/a/one.wav"}


def test_nothing_stays_in_the_file_of_passages_that_are_taken_out(tmp_path: Path) -> None:
    """What somebody said is compressed in the index, with who they are where a text says so."""

    def are_in_files(passages: list[bytes]) -> set[bool]:
        contents = b"".join(path.read_bytes() for path in index.path.parent.iterdir())
        return {passage[:200] in contents for passage in passages}

    store = TranscriptStore(tmp_path)
    many = ". ".join(f"word{number} of it" for number in range(500))
    _publish(store, "radio/a.wav", f"Anna Rossi speaks. {many}")
    _publish(store, "radio/b.wav", many)
    index = SearchIndex(store)
    index.refresh(wait=False)
    with index._opened() as database:
        query = (
            "SELECT packed FROM passages JOIN recordings ON recordings.id = recording WHERE path=?"
        )
        packed = [one for (one,) in database.execute(query, ("radio/a.wav",))]
    assert are_in_files(packed) == {True}
    _publish(store, "radio/a.wav", "nothing", transcribed_at="2025-01-01T00:00:00+00:00")
    index.refresh(wait=False)
    assert (_paths(index, "Rossi"), _paths(index, "word7")) == (set(), {"radio/b.wav"})
    assert are_in_files(packed) == {False}


def test_a_partition_that_cannot_be_read_is_a_sentence_and_others_are_found(
    tmp_path: Path,
) -> None:
    store = TranscriptStore(tmp_path)
    for path, text in TEXTS.items():
        _publish(store, path, text)
    store.generation("film").files["segments"].write_bytes(b"no parquet")
    index = SearchIndex(store)
    refreshed = index.refresh(wait=False)
    assert (refreshed.num_partitions, refreshed.num_left) == (1, 1)
    assert "is damaged" in refreshed.problems[0]
    assert _paths(index, "light") == {"radio/a/one.wav"}


def test_a_damaged_index_is_a_sentence_and_a_removed_one_is_built_again(tmp_path: Path) -> None:
    index = _filled(tmp_path)
    index.path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"search index .* remove its folder"):
        index.refresh(wait=False)
    for path in index.path.parent.iterdir():
        path.unlink()
    assert search(index, "light", ANYTHING, 5).hits == []
    assert index.refresh(wait=False).num_partitions == 2
    assert len(_paths(index, "light")) == 2


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    index = SearchIndex(TranscriptStore(tmp_path))
    assert index.refresh(wait=False).num_partitions == 0  # nothing is published, nothing is made
    assert not index.path.parent.exists()
    assert (search(index, "light", ANYTHING, 5).hits, index.num_segments("key")) == ([], 0)
    _publish(index.store, "key/1.wav", "light")
    index.path.parent.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        index.refresh(wait=False)


# Stops for ever in the middle of the third recording.
WRITER = """
import sys, time
from pathlib import Path
from opentr_pipeline.search import index as search_index
from opentr_pipeline.transcripts.store import TranscriptStore
search_index.NUM_RECORDINGS_COMMITTED = 1
put_in, calls = search_index._put_in, []
def stopping(*arguments):
    put_in(*arguments)
    calls.append(1)
    if len(calls) == 3:
        print("stopped", flush=True)
        time.sleep(600)
search_index._put_in = stopping
search_index.SearchIndex(TranscriptStore(Path(sys.argv[1]))).refresh(wait=True)
"""


@pytest.mark.slow
def test_a_killed_writer_costs_nothing_and_nobody_waits_for_it(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    for path, text in TEXTS.items():
        _publish(store, path, text)
    index = SearchIndex(store)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "stopped\n"
        refreshed = index.refresh(wait=False)
        assert (refreshed.num_partitions, refreshed.num_left) == (0, 2)
        before = {path for query in ("light", "every", "日") for path in _paths(index, query)}
        assert len(before) == 2  # each of them whole
        os.kill(writer.pid, signal.SIGKILL)
    assert index.refresh(wait=True).num_partitions == 2
    for query in ("light", "every", "日", "morgen", '"stands on the hill"'):
        assert _paths(index, query) == _reference(TEXTS, query)


@pytest.mark.slow
def test_several_processes_index_once(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    for path, text in TEXTS.items():
        _publish(store, path, text)
    script = WRITER.replace("== 3", "== -1") + "\nprint(len(calls))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    counts = sorted(int(process.communicate(timeout=120)[0]) for process in processes)
    assert counts == [0, 0, len(TEXTS)]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path / "output"))
    store = TranscriptStore(tmp_path / "output")
    for path, text in TEXTS.items():
        _publish(store, path, text)
    (tmp_path / "archive").mkdir()
    monkeypatch.setenv("ARCHIVE_DIR", str(tmp_path / "archive"))
    return tmp_path / "archive"


def test_a_bucket_is_an_archive_and_no_word() -> None:
    archive, query = _split(("s3://tapes/radio", "light", "house"))
    assert (archive, query) == (BucketAddress("s3://tapes/radio"), "light house")


def test_what_the_command_shows(archive: Path) -> None:
    result = CliRunner().invoke(main, ["search", str(archive), '"light house"'])
    assert result.exit_code == 0
    assert "2 partitions were indexed in" in result.stderr
    assert result.stdout == (
        "radio/a/one.wav  0:03  (en, confidence 0.78, score 0.50)\n"
        "  The **light house** stands\n"
        "1 of 1 places.\n"
    )
    result = CliRunner().invoke(main, ["search", "good", "morning", "--json"])
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    assert [hit["path"] for hit in found["hits"]] == ["radio/a/one.wav"]
    assert found["hits"][0]["marks"] == [[0, 4], [5, 12]]
    assert found["hits"][0]["page"] is None


def _on_a_terminal(command: list[str]) -> str:
    mine, its = os.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(command, cwd=PROJECT_ROOT, env=environ, stdout=its):
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # nobody writes any more
            while part := os.read(mine, 65_536):
                shown += part
    os.close(mine)
    return shown.decode()


def test_a_hit_leads_to_the_page_of_its_recording(archive: Path, tmp_path: Path) -> None:
    name = "radio/a #1?/ü [b].wav"
    _publish(TranscriptStore(tmp_path / "output"), name, "one two three. it's, an old lantern")
    page = tmp_path / "output" / "pages" / page_of(name)
    page.parent.mkdir(parents=True)
    page.touch()
    result = CliRunner().invoke(main, ["search", str(archive), "lantern", "--json"])
    (hit,) = json.loads(result.stdout)["hits"]
    assert (hit["start_s"], hit["found_s"]) == (3.0, 6.0)
    assert hit["page"] == f"{page}#t=5.0"

    shown = _on_a_terminal([*OPENTR, "search", str(archive), "lantern"])
    link = f"{page.parent.parent.as_uri()}/a%20%231%253F/%C3%BC%20%5Bb%5D.wav.html#t=5.0"
    assert f";{link}\x1b\\" in shown
    assert "\x1b" not in CliRunner().invoke(main, ["search", str(archive), "lantern"]).stdout


def test_nothing_new_is_answered_without_what_reads_parquet(archive: Path) -> None:
    """Half of the time that the command would take."""
    CliRunner().invoke(main, ["search", str(archive), "light"])
    script = """
import sys
from opentr_pipeline.cli.app import main
main(["search", *sys.argv[1:]], standalone_mode=False)
print({"pyarrow", "numpy", "dagster"} & set(sys.modules))
"""
    command = [sys.executable, "-c", script, str(archive), "light"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("arguments", "num"),
    [
        (["stands on"], 1),  # as the shell hands on what was in quotation marks
        (["on stands"], 0),
        (["on", "stands"], 1),
        (["ligh* house"], 1),
        (['"stands on" light'], 1),
        (["--folder", "radio/a", "stands"], 1),
        (["--language", "EN", "--min-confidence", "0.7", "stands"], 1),
        (["--before", "2000-01-01", "--after", "1999-01-01", "stands"], 0),
    ],
)
def test_how_a_query_is_typed(archive: Path, arguments: list[str], num: int) -> None:
    result = CliRunner().invoke(main, ["search", str(archive), *arguments])
    assert f"{num} of {num} places.\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (['"*"'], "holds no word"),
        (["light", "--after", "yesterday"], "Invalid value"),
        (["light", "--min-confidence", "2"], "Invalid value"),
        ([], "Missing argument"),
    ],
)
def test_a_mistake_is_a_sentence(archive: Path, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["search", *arguments])
    assert (result.exit_code, said in result.output) == (2, True)


@pytest.mark.slow
def test_the_asset_indexes_the_partitions_of_its_run(archive: Path, tmp_path: Path) -> None:
    settings = settings_of(OUTPUT_DIR=tmp_path / "output", ARCHIVE_DIR=archive)
    search_index = derived_assets(settings, Names())[2]
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        register_partitions(instance, ["film", "radio"], Names())
        result = materialize(
            [search_index],
            instance=instance,
            resources={HANDED_ON: handed_on(settings)},
            partition_key="film",
        )
        (made,) = result.asset_materializations_for_node("search_index")
    assert Names().partitions.name == "archive"
    assert made.metadata["num_segments"].value == 37
    assert {"size_bytes", "wall_s"} <= set(made.metadata)
    index = SearchIndex(TranscriptStore(tmp_path / "output"))
    assert _paths(index, "light") == {"film/five.mkv"}


def test_the_index_is_no_part_of_what_transcribes() -> None:
    nodes = {node.name for node in defs.resolve_job_def("transcribe_archive").graph.node_defs}
    assert "search_index" not in nodes
    spec = defs.resolve_job_def("__ASSET_JOB").asset_layer.asset_graph.get(AssetKey("search_index"))
    assert {key.to_user_string() for key in spec.parent_keys} == {"transcripts", "speakers"}
    assert all(part in str(spec.description) for part in ("*Refreshed*", "*When it fails*"))
