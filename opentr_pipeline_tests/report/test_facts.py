"""What the report counts: sums of partitions, what is remembered, word errors with intervals."""

import dataclasses
import itertools
import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.references import word_errors
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.quality.archive_facts import archive_facts
from opentr_pipeline.quality.pace import Finished, days_of_work, each_once
from opentr_pipeline.quality.partition_facts import mean_confidence
from opentr_pipeline.quality.partition_totals import partition_sums
from opentr_pipeline.quality.totals import (
    MAX_DOUBTFUL,
    NUM_CONFIDENCE_BINS,
    DoubtfulRecording,
    Sums,
    Tally,
    left_partitions,
    sums_from_dict,
)
from opentr_pipeline.report import facts as report_facts
from opentr_pipeline.report.duplicates import duplicates
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts import table_files
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.layout import Generation
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.making import PROPERTY, recording, settings_of, transcript

LOOPS = 9.0  # a compression ratio that is flagged as a loop


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "archive").mkdir()
    folders = {"ARCHIVE_DIR": "archive", "OUTPUT_DIR": "output", "OPENTR_HOME": "state"}
    return settings_of({name: tmp_path / folder for name, folder in folders.items()})


def said(*segments: tuple[float, list[float]], **facts: Any) -> Transcript:
    """A transcript of words of one second, by compression ratio and probabilities of segments."""
    made, start_s = [], 0.0
    for ratio, probabilities in segments:
        words = tuple(
            Word(" word", start_s + n, start_s + n + 1, p) for n, p in enumerate(probabilities)
        )
        made.append(Segment(start_s, start_s + len(words), "word", -0.2, 0.1, ratio, words))
        start_s += len(words)
    values = {"duration_s": start_s + 2, "speech_s": start_s, "segments": tuple(made)}
    return transcript(text="", **{**values, **facts})


def publish(settings: Settings, path: str, outcome: Transcript, text: str = "") -> TranscriptStore:
    """A recording with its media, probe, transcript and what is really said."""
    store = TranscriptStore(settings.workspace.output)
    key = path.split("/", maxsplit=1)[0] if "/" in path else "@root"
    media = settings.workspace.archive / path
    media.parent.mkdir(exist_ok=True)
    media.write_bytes(path.encode())
    if text:
        media.with_suffix(".reference.txt").write_text(text, encoding="utf-8")
    (found,) = [one for one in scan(settings.workspace.archive).media_files if one.path == path]
    one = dataclasses.replace(recording(path, path, key), media_file=found)
    outcome = dataclasses.replace(outcome, media_fingerprint=one.media_fingerprint)
    Setup(settings).probe_memory.remember(found, one.media_fingerprint, one.probe)
    store.publish(key, [Entry(one.recording_id, path, outcome)])
    return store


def facts_of(settings: Settings) -> report_facts.ReportFacts:
    return report_facts.report_facts(settings.workspace, Setup(settings).partitioning)


def sums_of(store: TranscriptStore, key: str) -> Sums:
    return partition_sums(store, key, GenerationRows(store.generation(key)))


def test_recordings_are_counted_by_folder_language_status_and_model(settings: Settings) -> None:
    publish(settings, "a/1.wav", said((1.5, [0.9] * 8), language="it", model="small"))
    publish(settings, "a/deep/2.wav", said((1.5, [0.9] * 3), duration_s=6.0, status="suspect"))
    store = publish(settings, "a/3.wav", said(status="no_speech", duration_s=4.0, speech_s=1.0))
    # The header of the fourth claims two seconds.
    rows = [recording(f"a/{name}", name, "a") for name in ("1.wav", "deep/2.wav", "3.wav", "4.wav")]
    store.write_recordings("a", rows)
    sums = sums_of(store, "a")
    assert sums.by_folder == {"a": Tally(4, 10.0 + 6.0 + 4.0 + 2.0, 20.0, 11.0)}
    assert sums.by_language == {"it": Tally(1, 10.0, 10.0, 8.0), "en": Tally(1, 6.0, 6.0, 3.0)}
    assert sums.by_status == {
        "ok": Tally(1, 10.0, 10.0, 8.0),
        "suspect": Tally(1, 6.0, 6.0, 3.0),
        "no_speech": Tally(1, 4.0, 4.0, 0.0),
        "missing": Tally(1, 2.0),
    }
    assert {name: one.num_recordings for name, one in sums.by_model.items()} == {
        "small": 1,
        "base": 2,
    }


def test_what_was_not_decoded_is_as_long_as_its_header_claims(settings: Settings) -> None:
    publish(settings, "a/1.wav", said((1.5, [0.9]), status="truncated", duration_s=1.5))
    store = publish(settings, "a/2.wav", said(status="corrupt", model="", duration_s=0.0))
    store.write_recordings("a", [recording(f"a/{n}.wav", str(n), "a") for n in (1, 2)])
    assert sums_of(store, "a").by_status == {
        "truncated": Tally(1, 2.0, 1.5, 1.0),
        "corrupt": Tally(1, 2.0),
    }


def test_what_has_left_the_archive_does_not_count(settings: Settings) -> None:
    publish(settings, "a/1.wav", said((LOOPS, [0.1])))
    store = publish(settings, "a/2.wav", said((1.5, [0.9])))
    store.write_recordings("a", [recording("a/1.wav", partition_key="a")])
    store.write_recordings("a", [recording("a/2.wav", partition_key="a")])
    sums = sums_of(store, "a")
    assert sums.by_folder["a"].num_recordings == 1
    assert [path for _, _, path in sums.files] == ["a/2.wav"]
    assert (sums.doubtful, sums.mean_confidence) == ([], pytest.approx(0.9))


def test_two_speakers_at_once_make_no_more_speech_than_there_is_sound(settings: Settings) -> None:
    store = publish(settings, "a/1.wav", said((1.5, [0.9] * 2), speech_s=7.0))
    assert sums_of(store, "a").by_folder["a"].speech_s == 4.0


def test_confidence_is_that_of_the_partition_and_silence_is_left_out(settings: Settings) -> None:
    publish(settings, "a/1.wav", said((1.5, [0.0, 0.26, 0.99, 1.0]), (1.5, [0.5])))
    store = publish(settings, "a/2.wav", said((1.5, [0.1] * 9), status="no_speech"))
    sums = sums_of(store, "a")
    expected = dict.fromkeys(range(NUM_CONFIDENCE_BINS), 0.0) | {0: 1, 5: 1, 10: 1, 19: 2}
    assert sums.by_confidence_s == pytest.approx(list(expected.values()))
    tables = store.read_together("a")
    assert sums.mean_confidence == pytest.approx(2.75 / 5)
    assert sums.mean_confidence == pytest.approx(
        mean_confidence(tables["words"], tables["transcripts"])
    )


def test_doubt_is_flagged_segments_and_unsure_words_outside_of_them(settings: Settings) -> None:
    store = publish(
        settings, "a/1.wav", said((1.5, [0.9, 0.4]), (LOOPS, [0.2, 0.9, 0.2]), (1.5, [0.5, 0.49]))
    )
    (one,) = sums_of(store, "a").doubtful
    # The second word, three of the loop, the last word; half is not below half.
    assert (one.doubtful_s, one.first_doubtful_s, one.flags) == (5.0, 1.0, ["loop"])
    assert one.doubt == pytest.approx(5.0 / (7.0 + 30.0))
    assert one.mean_confidence == pytest.approx((0.9 + 0.4 + 0.2 + 0.9 + 0.2 + 0.5 + 0.49) / 7)
    assert (one.path, one.partition_key, one.duration_s) == ("a/1.wav", "a", 9.0)


def test_a_recording_of_three_words_does_not_lead(settings: Settings) -> None:
    publish(settings, "a/short.wav", said((1.5, [0.1] * 3)))
    store = publish(settings, "a/long.wav", said((1.5, [0.1] * 60 + [0.9] * 60)))
    publish(settings, "a/sure.wav", said((1.5, [0.9] * 60)))
    assert [one.path for one in sums_of(store, "a").doubtful] == ["a/long.wav", "a/short.wav"]


seconds = st.integers(0, 10**6).map(float)  # whole numbers add up to the same in any order
tallies = st.dictionaries(
    st.sampled_from("abc"), st.builds(Tally, st.integers(0, 9), seconds, seconds, seconds)
)
doubtful = st.builds(
    DoubtfulRecording,
    path=st.sampled_from("abcdefghijkl"),
    recording_id=st.just("id"),
    partition_key=st.sampled_from("xyz"),
    duration_s=st.just(9.0),
    doubtful_s=st.just(1.0),
    first_doubtful_s=st.just(0.0),
    doubt=st.sampled_from([0.1, 0.2]),
    mean_confidence=st.none(),
    flags=st.just([]),
)
sums = st.builds(
    Sums,
    by_folder=tallies,
    by_language=tallies,
    by_status=tallies,
    by_model=tallies,
    by_confidence_s=st.lists(seconds, min_size=20, max_size=20),
    weighted_s=seconds,
    doubtful=st.lists(doubtful, max_size=25),
    places=st.lists(st.tuples(st.text(max_size=3), seconds, seconds, st.just("x")), max_size=3),
    files=st.lists(st.tuples(st.sampled_from("pq"), st.integers(1, 9), st.text(max_size=3))),
    outcomes=st.lists(st.tuples(st.sampled_from("pq"), seconds, seconds, seconds), max_size=3),
    troubled=st.lists(st.fixed_dictionaries({"path": st.text(max_size=3)}), max_size=3),
)


def added(parts: list[Sums]) -> Sums:
    whole = Sums()
    for part in parts:
        whole.add(part)
    for rows in (whole.places, whole.files, whole.outcomes, whole.troubled):
        rows.sort(key=repr)
    return whole


@PROPERTY
@given(st.lists(sums, max_size=4), st.randoms())
def test_the_order_of_partitions_does_not_matter(parts: list[Sums], random: Any) -> None:
    before = json.dumps([dataclasses.asdict(part) for part in parts])
    whole = added(parts)
    assert json.dumps([dataclasses.asdict(part) for part in parts]) == before
    shuffled = random.sample(parts, len(parts))
    assert added(shuffled) == whole
    assert len(whole.doubtful) == min(MAX_DOUBTFUL, sum(len(part.doubtful) for part in parts))


@PROPERTY
@given(sums)
def test_what_is_remembered_is_what_was_found(one: Sums) -> None:
    one.doubtful = one.doubtful[:MAX_DOUBTFUL]
    assert sums_from_dict(json.loads(json.dumps(dataclasses.asdict(one)))) == one


@pytest.fixture
def words_read(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often each partition's columns of words are read."""
    counts: Counter[tuple[str, str]] = Counter()
    real = table_files.read_columns

    def noted(generation: Generation, table: str, names: str) -> Any:
        if table == "words":
            key = generation.files[table].parents[1].name
            counts.update((key, name) for name in names.split())
        return real(generation, table, names)

    monkeypatch.setattr(table_files, "read_columns", noted)
    return counts


@pytest.mark.parametrize("come_first", ["checks", "report"])
def test_checks_and_report_together_read_words_once(
    settings: Settings, words_read: Counter[tuple[str, str]], come_first: str
) -> None:
    for path in ("a/1.wav", "b/2.wav"):
        publish(settings, path, said((1.5, [0.9])))
    workspace, partitioning = settings.workspace, Setup(settings).partitioning
    looks = [lambda: archive_facts(workspace, partitioning, []), lambda: facts_of(settings)]
    for look in looks if come_first == "checks" else reversed(looks):
        look()
    assert {key for key, _ in words_read} == {"a", "b"}
    assert {name for _, name in words_read} > {"probability", "start_s"}
    assert set(words_read.values()) == {1}
    store = TranscriptStore(settings.workspace.output)
    assert sorted(path.name for path in (store.inner / "facts").iterdir()) == ["a.json", "b.json"]


def test_only_partitions_that_changed_are_read_again(
    settings: Settings, words_read: Counter[tuple[str, str]]
) -> None:
    for path in ("a/1.wav", "b/2.wav"):
        store = publish(settings, path, said((1.5, [0.9])))
    first = facts_of(settings)
    words_read.clear()
    again = facts_of(settings)
    assert not words_read
    assert dataclasses.replace(again, made_at=first.made_at) == first
    publish(settings, "b/3.wav", said((1.5, [0.9])))
    store.write_recordings("c", [recording("c/4.wav", partition_key="c")])
    total = facts_of(settings).total
    assert {key for key, _ in words_read} == {"b"}
    assert total.num_recordings == 4


def test_a_recording_counts_once_after_another_rule_has_changed_its_partition(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings, "a/1.wav", said((LOOPS, [0.1])))
    store = publish(settings, "a/2.wav", said((1.5, [0.9]), status="failed"))
    rows = [recording(f"a/{number}.wav", str(number), "a") for number in (1, 2)]
    store.write_recordings("a", rows)
    before = facts_of(settings)
    for number, row in enumerate(rows):
        key = f"h{number}"
        store.write_recordings(key, [dataclasses.replace(row, partition_key=key)])
        assert facts_of(settings).by_status == before.by_status  # not "missing" as well
        known = store.index(["a"]).by_recording["a", row.recording_id]
        store.publish(key, [Entry(row.recording_id, row.media_file.path, known)])
    after = facts_of(settings)
    (doubtful,) = after.doubtful
    assert doubtful.partition_key == "h0"
    assert [one.files[0].partition_key for one in after.failures] == ["h1"]
    same = {name: getattr(before, name) for name in ("made_at", "doubtful", "failures")}
    assert dataclasses.replace(after, **same) == before
    monkeypatch.setattr(report_facts, "partition_sums", None)  # all is remembered
    assert dataclasses.replace(facts_of(settings), made_at=after.made_at) == after


def test_the_partition_that_a_recording_was_transcribed_in_last_counts() -> None:
    places = [
        ("x", 9.0, 1.0, "a"),
        ("x", 9.0, 5.0, "b"),
        ("x", 0.0, 7.0, "c"),
        ("y", 0.0, 0.0, "a"),
    ]
    for order in itertools.permutations(places):
        assert left_partitions(order) == {"a": {"x"}, "c": {"x"}}


def test_a_partition_that_cannot_be_read_is_a_sentence_and_others_count(
    settings: Settings,
) -> None:
    publish(settings, "a/1.wav", said((1.5, [0.9])))
    store = publish(settings, "b/2.wav", said((1.5, [0.9])))
    store.generation("b").files["segments"].write_bytes(b"no parquet")
    facts = facts_of(settings)
    assert [one.name for one in facts.folders] == ["a"]
    assert "is damaged" in facts.unreadable["b"]


def test_an_archive_of_which_nothing_is_transcribed_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(StoreError, match=r"Nothing of .*archive is transcribed yet; "):
        facts_of(settings)
    store = TranscriptStore(settings.workspace.output)
    store.write_recordings("a", [recording("a/1.wav", partition_key="a")])
    with pytest.raises(StoreError, match=r"is transcribed yet; opentr run does it\."):
        facts_of(settings)


def test_an_archive_that_only_failed_has_a_report_without_what_was_not_measured(
    settings: Settings,
) -> None:
    publish(settings, "1.wav", said(status="failed", model="", language="", wall_s=0.0))
    facts = facts_of(settings)
    assert [one.name for one in facts.folders] == ["@root"]
    assert [(one.status, one.num_recordings) for one in facts.failures] == [("failed", 1)]
    assert facts.numbers == {
        "num_recordings": 1,
        "audio_h": 0.0,
        "heard_h": 0.0,
        "num_failed": 1,
        "num_duplicates": 0,
    }


def test_shares_are_of_all_sound_and_of_what_was_heard(settings: Settings) -> None:
    store = publish(settings, "a/1.wav", said((1.5, [0.9] * 6)))
    store.write_recordings("b", [recording("b/2.wav", partition_key="b")])
    facts = facts_of(settings)
    assert facts.heard_share == pytest.approx(8.0 / 10.0)
    assert facts.speech_share == pytest.approx(6.0 / 8.0)
    assert facts.models == {"base": 8.0}
    assert facts.transcribed_from is not None
    assert facts.transcribed_from == facts.transcribed_until


def test_the_same_bytes_are_found_across_partitions_most_to_save_first() -> None:
    a = [("x", 10, "a/1"), ("y", 500, "a/2")]
    b = [("x", 10, "b/3"), ("y", 500, "b/4"), ("", 7, "b/7"), ("", 7, "b/8")]
    c = [("x", 10, "c/5"), ("z", 9000, "c/6"), ("empty", 0, "c/9"), ("empty", 0, "c/10")]
    found = duplicates([*a, *b, *c])
    assert (found.num_groups, found.num_files, found.bytes_saved) == (2, 3, 520)
    assert [(one.num_files, one.bytes_saved, one.paths) for one in found.groups] == [
        (2, 500, ["a/2", "b/4"]),
        (3, 20, ["a/1", "b/3", "c/5"]),
    ]


def test_word_errors_are_those_of_each_folder(settings: Settings) -> None:
    publish(settings, "a/1.wav", transcript(text="one two three four"), "one two free four")
    publish(settings, "a/2.wav", transcript(text="one two"), "one two")
    publish(settings, "b/3.wav", transcript(text="one two"), "one three")
    publish(settings, "b/4.wav", transcript(text="one", status="truncated"), "one")
    facts = facts_of(settings)
    found = {one.name: one.word_errors for one in facts.folders}
    assert found["a"] is not None
    assert found["b"] is not None
    assert (found["a"].num_words, found["a"].num_errors, found["a"].rate) == (6, 1, 1 / 6)
    assert (found["a"].low, found["a"].high) == (0.0, 0.25)
    assert (found["b"].num_recordings, found["b"].rate, found["b"].low) == (1, 0.5, None)
    assert facts.word_errors is not None
    assert facts.word_errors.rate == facts.numbers["word_error_rate"] == pytest.approx(2 / 8)
    assert facts.reference_problems == {"b/4.wav": "The recording is truncated."}


def test_without_references_there_is_no_word_error_rate(settings: Settings) -> None:
    publish(settings, "a/1.wav", said((1.5, [0.9])))
    facts = facts_of(settings)
    assert facts.word_errors is None
    assert "word_error_rate" not in facts.numbers


def test_an_archive_that_is_not_mounted_has_a_report_that_says_so(settings: Settings) -> None:
    publish(settings, "a/1.wav", transcript(text="one two"), "one two")
    assert facts_of(settings).is_archive_there
    for unmount in (
        lambda: shutil.rmtree(settings.workspace.archive / "a"),
        settings.workspace.archive.rmdir,
    ):
        unmount()
        facts = facts_of(settings)
        assert (facts.is_archive_there, facts.word_errors) == (False, None)
        assert facts.total.num_recordings == 1


counted = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 100)), min_size=1, max_size=30)


@PROPERTY
@given(counted, st.randoms())
def test_an_interval_holds_the_rate_and_is_the_same_for_the_same_recordings(
    rows: list[tuple[int, int]], random: Any
) -> None:
    found = word_errors(rows)
    assert found is not None
    assert found == word_errors(random.sample(rows, len(rows)))
    assert found.rate == sum(errors for _, errors in rows) / sum(words for words, _ in rows)
    if len(rows) < 2 or not found.num_errors:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low is not None
        assert found.high is not None
        assert found.low - 1e-12 <= found.rate <= found.high + 1e-12


def test_an_interval_is_narrower_with_more_recordings_and_as_wide_as_theory_says() -> None:
    rows = [(100, 5), (100, 15)]
    widths = []
    for times in (5, 50, 5000):
        found = word_errors(rows * times)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
        # Rates of 5 and 15 % have a standard deviation of 5 points; the mean's is that over the
        # root of their number, and 95 % lie within 1.96 of these.
        assert widths[-1] == pytest.approx(2 * 1.96 * 0.05 / (2 * times) ** 0.5, rel=0.1)
    assert widths[2] < widths[1] / 5 < widths[0] / 10


def test_copies_of_an_outcome_count_once_and_a_second_one_of_the_same_bytes_counts() -> None:
    early, late = (Finished(datetime(2026, 3, 1, hour, tzinfo=UTC), 60.0, 6.0) for hour in (1, 2))
    found = each_once([("x", late), ("x", early), ("x", early), ("y", early)])
    assert found == [early, early, late]


def test_days_without_work_are_left_out() -> None:
    # By the clock on the wall, of whatever zone and season the tests run in.
    times = [
        datetime(2026, 3, day, hour).astimezone(UTC) for day, hour in ((1, 9), (1, 23), (9, 0))
    ]
    days = days_of_work([Finished(at, 60.0, 6.0) for at in times])
    assert [one.begins[:10] for one in days] == ["2026-03-01", "2026-03-09"]
    assert [one.pace.num_recordings for one in days] == [2, 1]
    assert [one.pace.speed_x for one in days] == [10.0, 10.0]


def test_a_failure_that_keeps_an_older_transcript_is_told(settings: Settings) -> None:
    store = publish(settings, "a/1.wav", said((1.5, [0.9])))
    changed = recording("a/1.wav", "other bytes", "a")
    store.write_recordings("a", [changed])
    failed = transcript("other bytes", "", status="failed", reason="It broke at 3 s.")
    Checkpoints(store.inner).save(failed)
    store.publish("a", [Entry(changed.recording_id, "a/1.wav", failed)])
    facts = facts_of(settings)
    assert [one.num_recordings for one in facts.by_status.values()] == [1]
    (one,) = facts.failures
    assert (one.status, one.kind, one.files[0].path) == ("failed", "It broke at N s.", "a/1.wav")
