"""New uploads: found, settled, asked for, and neither lost nor doubled by anything."""

import dataclasses
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from opentr_pipeline.archive import changes, partitioning, storage
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.errors import ArchiveError, StoreError
from opentr_pipeline.planning import backlog, uploads
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.upload_runs import MAX_RECORDINGS, Due, few_runs, request_for
from opentr_pipeline_tests.making import OTHER_OPTIONS, media_file
from opentr_pipeline_tests.upload_desk import SETTLE_S, Desk, overwrite_in_place


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """An archive whose stock is transcribed."""
    desk.put("old/a.wav", 300)
    desk.put("b.wav", 310)
    desk.finish_first_look()
    assert {file.state for file in desk.files().values()} == {"known"}
    return desk


def test_an_upload_is_taken_once_it_was_the_same_twice(busy: Desk) -> None:
    busy.put("new/c.wav")
    assert busy.asked() == []
    assert busy.asked(SETTLE_S - 1) == []
    ticked = busy.tick(1)
    (request,) = ticked.requests
    assert busy.paths([request]) == ["new/c.wav"]
    assert request.run_range.keys == ("new",)
    assert not request.is_stock
    assert ticked.sentence == "1 media file to transcribe in 1 run: 2 known, 1 in runs."

    assert busy.tick(10_000).requests == ()  # while the run lasts
    busy.work_off()
    assert busy.tick(SETTLE_S).sentence == "Nothing new: 3 known."
    assert busy.tick(100_000).requests == ()
    assert busy.transcribed == ["new/c.wav"]


def test_a_tick_waits_for_what_is_about_to_settle(busy: Desk) -> None:
    busy.put("new/c.wav")
    began = busy.now
    assert busy.watch().requests == ()
    assert busy.now == began  # nothing is to be seen before the next tick
    busy.now += SETTLE_S - 3
    assert busy.watch(uploads.MAX_RUNS).requests == ()
    assert busy.now == began + SETTLE_S - 3  # no run could be asked for
    assert busy.paths(busy.watch(uploads.MAX_RUNS - 1).requests) == ["new/c.wav"]
    assert busy.now == pytest.approx(began + SETTLE_S)
    assert busy.watch().requests == ()


def test_a_tick_of_a_short_settling_waits_only_for_an_upload(busy: Desk) -> None:
    short = Desk(busy.archive.parent, UPLOAD_SETTLE_S=1)
    short.now, short.keys = 2000.0, busy.keys
    assert short.watch().requests == ()
    assert short.now == 2000.0  # other sensors wait for this one
    short.put("new/c.wav")
    assert short.paths(short.watch().requests) == ["new/c.wav"]
    assert short.now == pytest.approx(2001.0)


def test_a_file_that_grows_is_left_until_it_rests(busy: Desk) -> None:
    path = busy.put("new/c.wav")
    for _ in range(5):
        assert busy.asked(SETTLE_S) == []
        with path.open("ab") as stream:
            stream.write(b"\0\0")
    assert busy.asked(SETTLE_S) == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_a_file_whose_size_was_set_aside_is_left_while_its_time_changes(busy: Desk) -> None:
    path = busy.put("new/c.wav")
    for second in range(3):
        os.utime(path, (second, second))
        assert busy.asked(SETTLE_S) == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_a_copy_that_keeps_the_time_of_the_original_waits_as_well(busy: Desk) -> None:
    path = busy.put("new/c.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    os.utime(path, (5, 5))
    assert busy.asked() == []
    path.write_bytes(whole)
    os.utime(path, (5, 5))
    assert busy.asked(SETTLE_S) == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_a_file_that_replaces_another_is_new_though_it_looks_like_it(busy: Desk) -> None:
    path = busy.archive / "b.wav"
    info = path.stat()
    other = busy.put(".other", 999)
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.replace(other, path)
    assert busy.asked() == []
    assert busy.asked(SETTLE_S) == ["b.wav"]


def test_what_is_moved_in_is_found_with_all_its_folders(busy: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for name in ("deep/er/c.wav", "d.wav"):
        target = outside / "in" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(busy.archive / "b.wav", target)
    (outside / "in").rename(busy.archive / "in")
    assert busy.asked() == []
    assert busy.asked(SETTLE_S) == ["in/d.wav", "in/deep/er/c.wav"]


def test_a_name_that_came_within_the_same_tick_of_the_file_systems_clock(busy: Desk) -> None:
    busy.put("new/c.wav")
    busy.tick()
    folder = busy.archive / "new"
    info = folder.stat()
    busy.put("new/d.wav", 500)
    os.utime(folder, ns=(info.st_atime_ns, info.st_mtime_ns))  # a clock as coarse as that
    busy.tick(changes.RACY_S)
    assert set(busy.files()) >= {"c.wav", "d.wav"}


def test_a_file_overwritten_in_place_is_found_by_the_sweep(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_SWEPT", 1)
    path = busy.archive / "old" / "a.wav"
    facts = path.stat()
    overwrite_in_place(path, 777)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as some tag editors do
    looks = [busy.asked(SETTLE_S) for _ in range(5)]
    assert [paths for paths in looks if paths] == [["old/a.wav"]]
    busy.work_off()
    assert [busy.asked(SETTLE_S) for _ in range(5)] == [[]] * 5


def test_a_mode_or_a_link_makes_nothing_stale(busy: Desk) -> None:
    path = busy.archive / "old" / "a.wav"
    path.chmod(0o640)
    path.with_name("a.txt").hardlink_to(path)
    busy.tick(SETTLE_S)
    busy.tick(SETTLE_S)
    busy.work_off()
    assert [busy.asked(SETTLE_S) for _ in range(3)] == [[]] * 3
    assert busy.transcribed == []


def test_a_ledger_of_the_release_before_is_gone_on_with(busy: Desk) -> None:
    before = busy.files()
    with sqlite3.connect(busy.uploads.ledger.path) as database:
        database.execute("ALTER TABLE files_1 DROP COLUMN changed_ns")
    database.close()
    assert busy.asked(SETTLE_S) == []
    assert busy.files() == before


def test_a_file_that_is_open_for_writing_is_not_taken(busy: Desk) -> None:
    path = busy.put("new/c.wav")
    busy.put("new/d.wav", 500)
    busy.tick()
    with path.open("ab"):
        assert busy.asked(SETTLE_S) == ["new/d.wav"]
        assert ", 1 being written, 1 in runs." in busy.tick(1).sentence
        assert busy.asked(SETTLE_S) == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_a_file_that_changed_while_it_waited_is_not_taken(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_RUNS", 0)
    busy.put("new/c.wav")
    busy.tick()
    assert "1 waiting" in busy.tick(SETTLE_S).sentence
    overwrite_in_place(busy.archive / "new" / "c.wav", 777)
    monkeypatch.setattr(uploads, "MAX_RUNS", 1)
    assert busy.asked() == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_what_is_hidden_partial_or_no_media_is_never_looked_at(busy: Desk) -> None:
    for name in ("n/.c.wav", "n/c.wav.part", "n/.h/c.wav", "n/c.txt", "n/c.wav~"):
        busy.put(name)
    busy.tick()
    assert busy.tick(SETTLE_S).sentence == "Nothing new: 2 known."
    (busy.archive / "n" / "c.wav.part").rename(busy.archive / "n" / "c.wav")
    assert busy.asked() == []
    assert busy.asked(SETTLE_S) == ["n/c.wav"]


def test_names_in_any_bytes(busy: Desk) -> None:
    name = os.fsdecode(b"\xff/\xfe.wav")
    busy.put(name)
    busy.tick()
    assert busy.asked(SETTLE_S) == [name]
    busy.work_off()
    assert busy.tick(SETTLE_S).sentence == "Nothing new: 3 known."


def test_links_follow_the_rules_of_the_scan(busy: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside.wav").write_bytes(b"RIFF")
    (busy.archive / "leaves.wav").symlink_to(tmp_path / "outside.wav")
    (busy.archive / "folder.wav").symlink_to(busy.archive / "old")
    (busy.archive / "link.wav").symlink_to("old/a.wav")
    busy.tick()
    assert busy.asked(SETTLE_S) == ["link.wav"]
    busy.work_off()
    busy.tick(SETTLE_S)
    busy.put("another.wav", 900)  # the folder is read again, and the link is what it was
    busy.tick()
    assert busy.files()["link.wav"].state == "known"
    (busy.archive / "link.wav").unlink()
    (busy.archive / "link.wav").symlink_to(tmp_path / "outside.wav")
    assert busy.asked(SETTLE_S) == ["another.wav"]
    assert "link.wav" not in busy.files()


def test_what_becomes_something_else_is_forgotten(busy: Desk) -> None:
    (busy.archive / "b.wav").unlink()
    os.mkfifo(busy.archive / "b.wav")
    assert "1 gone" in busy.tick(SETTLE_S).sentence
    assert set(busy.files()) == {"a.wav"}


def test_a_folder_that_cannot_be_read_is_tried_again_and_nothing_of_it_forgotten(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = storage.os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/old"):
            raise PermissionError
        return real(path)

    busy.put("old/c.wav")
    monkeypatch.setattr(storage.os, "scandir", scandir)
    for _ in range(3):
        said = busy.tick(SETTLE_S).sentence
        assert said == "Nothing new: 2 known, 1 folder that cannot be read whole."
    monkeypatch.undo()  # neither its time nor its inode has changed
    busy.tick(SETTLE_S)
    assert busy.asked(SETTLE_S) == ["old/c.wav"]


def test_a_file_that_cannot_be_looked_at_is_tried_again(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.put("new/c.wav")
    real = storage.os.lstat

    def lstat(path: str, **how: object) -> os.stat_result:
        if str(path).endswith("c.wav"):
            raise PermissionError
        return real(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(storage.os, "lstat", lstat)
    for _ in range(3):
        assert "1 folder that cannot be read whole" in busy.tick(SETTLE_S).sentence
    monkeypatch.undo()
    busy.tick()
    monkeypatch.setattr(storage.os, "lstat", lstat)
    busy.tick(SETTLE_S)  # in the middle of settling
    monkeypatch.undo()
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_an_archive_that_cannot_be_read_is_refused_and_nothing_forgotten(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = busy.files()
    busy.archive.rename(busy.archive.with_name("away"))
    with pytest.raises(ArchiveError, match="There is no folder"):
        busy.tick()
    busy.archive.with_name("away").rename(busy.archive)
    busy.put("c.wav")

    def scandir(path: str) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage.os, "scandir", scandir)
    with pytest.raises(ArchiveError, match="Input/output error"):
        busy.tick()
    monkeypatch.undo()
    assert busy.files() == before


def test_what_is_deleted_or_moved_is_forgotten_and_its_transcript_stays(busy: Desk) -> None:
    (busy.archive / "b.wav").rename(busy.archive / "moved.wav")
    shutil.rmtree(busy.archive / "old")
    said = busy.tick().sentence
    assert said == "Nothing new: 1 settling, 2 gone."
    assert busy.asked(SETTLE_S) == ["moved.wav"]
    busy.work_off()
    busy.tick(SETTLE_S)
    assert set(busy.files()) == {"moved.wav"}
    kept = busy.store.read("transcripts", ["path"])["path"].to_pylist()
    assert sorted(kept) == ["b.wav", "moved.wav", "old/a.wav"]


@pytest.mark.parametrize("lost", range(4))
def test_a_request_that_came_to_nothing_is_made_again(busy: Desk, lost: int) -> None:
    """The process ends after the ledger was written and before there is a run."""
    busy.put("new/c.wav")
    busy.tick()
    busy.now += SETTLE_S
    for number in range(lost):
        (request,) = busy.tick(is_lost=True).requests
        assert busy.tick(SETTLE_S * 2**number - 1).requests == ()  # later each time
        busy.now += 1
    (request,) = busy.tick().requests
    assert busy.paths([request]) == ["new/c.wav"]
    busy.work_off()
    assert busy.tick(10_000).sentence == "Nothing new: 3 known."


def test_a_look_that_dies_is_as_if_it_had_not_been(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.put("new/c.wav")
    busy.tick()
    before = busy.files()

    def die(keys: set[str]) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(busy, "register", die)
    with pytest.raises(KeyboardInterrupt):
        busy.tick(SETTLE_S)
    monkeypatch.undo()
    assert busy.files() == before
    assert busy.asked() == ["new/c.wav"]


def test_a_failed_recording_is_tried_again_until_it_is_given_up(busy: Desk) -> None:
    busy.put("new/c.wav")
    busy.tick()
    assert busy.asked(SETTLE_S) == ["new/c.wav"]
    for attempt in range(1, backlog.MAX_ATTEMPTS):
        busy.work_off("failed", attempt)
        assert busy.asked(SETTLE_S * 2 ** (attempt - 1) - 1) == []
        assert busy.asked(1) == ["new/c.wav"]
    busy.work_off("failed", backlog.MAX_ATTEMPTS)
    assert [busy.asked(uploads.MAX_DELAY_S) for _ in range(4)] == [[]] * 4
    assert busy.files()["c.wav"].state == "known"

    busy.put("new/c.wav", 600)  # other bytes are another upload
    busy.tick()
    assert [busy.asked(SETTLE_S) for _ in range(2)].count(["new/c.wav"]) == 1


def test_delays_end_at_a_day(busy: Desk) -> None:
    busy.put("new/c.wav")
    busy.tick()
    busy.now += SETTLE_S
    for _ in range(20):
        assert len(busy.tick(is_lost=True).requests) == 1
        busy.now += uploads.MAX_DELAY_S


def test_a_file_that_nobody_can_read_is_not_asked_for_for_ever(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.put("new/c.wav")
    busy.tick()
    real = storage.open_regular

    def refuse(path: Path, inside: str = "") -> object:
        if path.name == "c.wav":
            raise PermissionError(13, "Permission denied")
        return real(path, inside)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "open_regular", refuse)
        attempts = 0
        for _ in range(6):
            if busy.asked(uploads.MAX_DELAY_S):
                attempts += 1
                busy.work_off("failed", attempts)
        assert attempts == backlog.MAX_ATTEMPTS
        assert busy.files()["c.wav"].state == "known"
        # Without the ledger nobody knows whether it was this file; a run is to find out.
        busy.uploads.ledger.forget()
        busy.tick()
        assert busy.asked(SETTLE_S) == ["new/c.wav"]
        busy.work_off("failed", attempts)
        assert [busy.asked(uploads.MAX_DELAY_S) for _ in range(3)] == [[]] * 3
    os.utime(busy.archive / "new" / "c.wav")
    busy.tick()
    assert busy.asked(SETTLE_S) == ["new/c.wav"]


def test_other_options_are_no_upload_and_other_bytes_are(busy: Desk) -> None:
    busy.options = ArchiveOptions(OTHER_OPTIONS)
    assert [busy.asked(SETTLE_S) for _ in range(3)] == [[]] * 3
    busy.put("b.wav", 999)
    busy.tick(SETTLE_S)
    assert busy.asked(SETTLE_S) == ["b.wav"]


def test_without_the_ledger_all_is_looked_at_and_nothing_done_twice(busy: Desk) -> None:
    busy.put("new/c.wav")
    busy.tick()
    busy.uploads.ledger.forget()
    assert busy.tick().sentence == "Nothing new: 3 settling."
    assert busy.asked(SETTLE_S) == ["new/c.wav"]
    busy.work_off()
    assert busy.transcribed == ["new/c.wav"]
    assert busy.tick(SETTLE_S).sentence == "Nothing new: 3 known."


def test_a_ledger_that_is_damaged_is_begun_anew(busy: Desk) -> None:
    busy.uploads.ledger.path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="was damaged"):
        busy.tick()
    assert busy.tick().sentence == "Nothing new: 2 settling."
    assert busy.tick(SETTLE_S).sentence == "Nothing new: 2 known."


def test_a_store_from_a_backup_is_found_by_the_sweep_and_filled_as_stock(busy: Desk) -> None:
    shutil.copytree(busy.settings.workspace.output, busy.archive.parent / "backup", symlinks=True)
    busy.put("new/c.wav")
    busy.tick()
    busy.asked(SETTLE_S)
    busy.work_off()
    busy.tick(SETTLE_S)
    shutil.rmtree(busy.settings.workspace.output)
    shutil.move(busy.archive.parent / "backup", busy.settings.workspace.output)
    (request,) = busy.tick(SETTLE_S).requests
    assert busy.paths([request]) == ["new/c.wav"]
    assert request.is_stock


def test_a_clock_that_begins_anew_makes_files_settle_anew(busy: Desk) -> None:
    busy.put("new/c.wav")
    busy.tick()
    busy.now, busy.boot = 50_000.0, "second"
    assert busy.asked() == []
    assert busy.asked(SETTLE_S - 1) == []
    assert busy.asked(1) == ["new/c.wav"]
    busy.active, busy.now, busy.boot = {}, 5.0, "third"  # the run died with the machine
    assert busy.asked() == []
    assert busy.asked(SETTLE_S) == ["new/c.wav"]
    busy.active, busy.now = {}, 1.0  # another container's clock, of the same start
    assert busy.asked() == []
    assert busy.asked(2 * SETTLE_S) == ["new/c.wav"]


def test_stock_waits_for_uploads_and_comes_one_run_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_RECORDINGS", 2)
    for number in range(5):
        desk.put(f"old/{number}.wav", 300 + 10 * number)
    desk.tick()
    desk.put("new/c.wav", 900)
    desk.tick(1)
    (first,) = desk.tick(SETTLE_S).requests
    assert (first.is_stock, desk.paths([first])) == (False, ["new/c.wav"])
    (second,) = desk.tick(1).requests
    assert (second.is_stock, desk.paths([second])) == (True, ["old/0.wav", "old/1.wav"])
    assert desk.tick(1).requests == ()
    desk.put("new/d.wav", 910)
    desk.tick(1)
    assert desk.asked(SETTLE_S) == ["new/d.wav"]
    desk.work_off()
    assert desk.asked(1) == ["old/2.wav", "old/3.wav"]
    desk.work_off()
    assert desk.asked(1) == ["old/4.wav"]


def test_a_look_that_takes_long_goes_on_in_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        desk.put(f"{number % 4}/{number}.wav", 300 + 10 * number)
    desk.put("0/deep/er/c.wav", 900)
    readings = 0

    def now() -> float:
        nonlocal readings
        readings += 1
        desk.now += 1.0  # a slow disk: each look at the clock costs a second
        return desk.now

    monkeypatch.setattr(changes, "LOOK_S", 12.0)
    slow_clock = changes.Clock(now, lambda: desk.boot)
    sentences = []
    while len(desk.files()) < 13 and len(sentences) < 30:
        slow = uploads.Uploads(desk.setup, desk.options, slow_clock)
        sentences.append(slow.tick({}, desk.register).sentence)
    assert len(sentences) > 2
    assert "The first look at the archive goes on" in sentences[0]
    assert set(desk.files()) == {Path(one.path).name for one in scan(desk.archive).media_files}
    assert all(file.is_stock for file in desk.files().values())


def test_few_partitions_are_opened_in_one_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_KEYS", 2)
    for number in range(5):
        desk.put(f"{number}/{number}.wav", 300 + 10 * number)
    desk.tick()
    desk.tick(SETTLE_S)
    assert sorted(file.state for file in desk.files().values()) == (["asked"] * 2 + ["settled"] * 3)
    desk.work_off()
    for _ in range(4):
        desk.tick(SETTLE_S)
        desk.work_off()
    assert sorted(desk.transcribed) == [f"{number}/{number}.wav" for number in range(5)]


def test_too_many_partitions_are_refused(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "MAX_PARTITIONS", 2)
    monkeypatch.setattr(uploads, "MAX_PARTITIONS", 0)  # keys that are not in use any more
    busy.put("new/c.wav")
    busy.tick()
    with pytest.raises(ArchiveError, match="set PARTITION_BY=hash"):
        busy.tick(SETTLE_S)


def due(busy: Desk, path: str, key: str, audio_s: float = 10.0) -> Due:
    file = next(iter(busy.files().values()))
    return Due(file, media_file(path), key, audio_s)


def test_runs_are_few_and_bounded(busy: Desk) -> None:
    order = [f"k{number:03}" for number in range(400)]
    one = due(busy, "x.wav", "k000")
    many = [
        dataclasses.replace(one, media_file=media_file(f"{key}/{n}"), partition_key=key)
        for key in order[:300]
        for n in range(3)
    ]
    runs = list(few_runs(many, order, 1e9))
    assert [item for part in runs for item in part] == many
    assert max(map(len, runs)) <= MAX_RECORDINGS
    requests = [request_for(part, order) for part in runs]
    assert len(requests) == 3  # 200 partitions of 600 recordings, and 100 partitions
    assert max(len(request.run_range.keys) for request in requests) <= 200
    assert len({request.key for request in requests}) == 3
    for part, request in zip(runs, requests, strict=True):
        assert {item.partition_key for item in part} == set(request.run_range.keys)

    heavy = [due(busy, f"{n}", "k001", 40.0) for n in range(5)] + [due(busy, "h", "k002", 500.0)]
    lengths = [sum(item.audio_s for item in part) for part in few_runs(heavy, order, 100.0)]
    assert sorted(lengths) == [40.0, 80.0, 80.0, 500.0]
