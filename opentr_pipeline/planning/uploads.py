"""New uploads: what the archive has less what the store has, asked for in few runs.

What is to be done always follows from the files and the store; the ledger only remembers what was
seen and asked for. So it makes no difference when a process dies:

* before the ledger is written: the next look finds the same again;
* after that, before a run exists: no run that was asked for is under way, so the files are held
  against the store, are not done, and are asked for again after a delay;
* after a run was started: its files wait until it is over, then the store says what became of
  each; what failed is asked for again, later each time, until ``backlog.MAX_ATTEMPTS``;
* and a ledger that is lost, or older than the store, is filled anew from both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from opentr_pipeline.archive.changes import Clock, Watch
from opentr_pipeline.archive.ledger import File, Ledger
from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.partitioning import MAX_PARTITIONS
from opentr_pipeline.archive.recordings import Recording, guessed
from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.upload_runs import MAX_RECORDINGS, Due, Request, few_runs, request_for
from opentr_pipeline.transcripts.published_rows import StoreIndex

# For uploads, under way at once: what comes meanwhile shares the next one.
MAX_RUNS = 3
MAX_DELAY_S = 86_400.0
# In one look; more partitions than this would be more files of the store to open.
MAX_JUDGED, MAX_SWEPT, MAX_KEYS = 20_000, 5_000, 500
# Dagster asks its sensors one after another, every 5 s at most, and ends when they have answered.
WATCH_S = 4.0
LOOKS_APART_S = 0.2

# Registers partition keys and gives all there are, as Dagster orders them.
Register = Callable[[set[str]], Sequence[str]]


@dataclass(frozen=True)
class Tick:
    """What one look at the archive comes to.

    Attributes:
        requests: runs to start.
        sentence: says it to people.
        settles_at: when the next upload will have settled, by the look's clock; infinity: none.
    """

    requests: tuple[Request, ...]
    sentence: str
    settles_at: float


class Uploads:
    """The uploads of one archive."""

    def __init__(self, setup: Setup, options: ArchiveOptions, clock: Clock | None = None) -> None:
        """Name everything; nothing is read yet.

        Args:
            setup: names the archive, the store and the ledger.
            options: that transcripts are wanted for.
            clock: another one, for tests.
        """
        self._options, self._clock = options, clock or Clock()
        self._storage = storage_of(setup.workspace.archive)
        self._partitioning = setup.partitioning
        self._settle_s = setup.settings.upload_settle_s
        self._run_max_audio_s = setup.settings.run_max_audio_s
        self.ledger = Ledger(setup.workspace.uploads_ledger)
        self._store = setup.store
        self._memory = setup.probe_memory
        self._watch: Watch

    def watch(self, active: Mapping[str, bool], register: Register) -> Tick:
        """Look, and wait for an upload that is about to settle, as long as Dagster would not ask.

        It would have to wait for another tick otherwise. Nothing is waited for where no run could
        be asked for.

        Args:
            active: as of ``tick``.
            register: as of ``tick``.

        Raises:
            OpentrError: as from ``tick``.
        """
        until = self._clock.now() + WATCH_S
        ticked = self.tick(active, register)
        while not ticked.requests and _room(active) > 0:
            now = self._clock.now()
            next_at = max(ticked.settles_at, now + LOOKS_APART_S)
            if next_at > until:
                break
            self._clock.sleep(next_at - now)
            ticked = self.tick(active, register, is_again=True)
        return ticked

    def tick(
        self, active: Mapping[str, bool], register: Register, *, is_again: bool = False
    ) -> Tick:
        """Look at the archive, and say which runs to start.

        Args:
            active: the requests whose runs wait or work, and whether they are for stock.
            register: makes partition keys known to Dagster.
            is_again: a moment after another look; what is known is not held against the archive.

        Raises:
            OpentrError: the archive cannot be read, or has too many partitions; nothing of what
                was known is forgotten.
        """
        self._storage.check()
        settle_s = -inf if self._storage.has_whole_files else self._settle_s
        with self.ledger.opened():
            self._watch = Watch(self.ledger, self._storage, settle_s, self._clock)
            self._watch.look()
            for request in self.ledger.requests() - active.keys():
                self.ledger.end_request(request)
            self._judge(self._few_keys(self.ledger.files_in(("settled",), inf, MAX_JUDGED)))
            if not is_again:
                self._sweep()
            requests = self._ask(active, register)
            return Tick(tuple(requests), self._sentence(requests), self._watch.settles_at())

    def _sweep(self) -> None:
        """Hold the next known files against the archive and the store, round and round."""
        folder, _, name = (self.ledger.note("swept") or "-1/").partition("/")
        place = int(folder), bytes.fromhex(name)
        following = self.ledger.known_after(place, MAX_SWEPT)
        files = self._few_keys(following)
        is_round = len(files) == len(following) < MAX_SWEPT
        swept = "-1/" if is_round else f"{files[-1].folder}/{files[-1].name.hex()}"
        self.ledger.keep_note("swept", swept)
        self._judge(self._watch.look_again(files))

    def _few_keys(self, files: Sequence[File]) -> list[File]:
        """Those in front, as far as they lie in few partitions."""
        keys: set[str] = set()
        taken = []
        for file in files:
            keys.add(self._key(self._media_file(file)))
            if len(keys) > MAX_KEYS:
                break
            taken.append(file)
        return taken

    def _key(self, media_file: MediaFile) -> str:
        return self._partitioning.key(media_file)

    def _media_file(self, file: File) -> MediaFile:
        # The memory of probes keeps numbers as the ledger does: signed.
        facts = file.size_bytes, file.modified_ns, file.device, file.inode, file.changed_ns or 0
        return MediaFile(self._watch.path(file), *facts)

    def _judge(self, files: Sequence[File]) -> None:
        """Find out which of these files are to be asked for."""
        recordings = self._recordings(files)
        keys = {recording.partition_key for recording in recordings}
        index = self._store.index(keys, {recording.recording_id for recording in recordings})
        judged = zip(files, backlog.judge(recordings, index, self._options), strict=True)
        changed = []
        for file, found in judged:
            if not _is_due(file, found, index):
                now_so = file._replace(state="known")
            else:
                since = file.since + self._delay_s(file) if file.num_asked else self._watch.now
                is_stock = file.is_stock or file.state == "known"  # a store from a backup
                now_so = file._replace(state="due", since=since, is_stock=is_stock)
            if now_so != file:
                changed.append(now_so)
        self.ledger.put_files(changed)

    def _delay_s(self, file: File) -> float:
        doubled = self._settle_s * 2.0 ** min(file.num_asked - 1, 20)
        return min(doubled, MAX_DELAY_S)

    def _recordings(self, files: Sequence[File]) -> list[Recording]:
        """What is known of each file."""
        media_files = [self._media_file(file) for file in files]
        learnt = self._memory.recall(media_files)
        return [
            Recording(one, self._key(one), *(learnt.get(one) or guessed(one)))
            for one in media_files
        ]

    def _ask(self, active: Mapping[str, bool], register: Register) -> list[Request]:
        """Runs for what is due: uploads first, then some of the stock."""
        room = _room(active)
        due = self._due(MAX_RUNS * MAX_RECORDINGS, is_stock=False)
        if not due and not any(active.values()):
            room, due = 1, self._due(MAX_RECORDINGS, is_stock=True)
        if room <= 0 or not due:
            return []
        order = register({one.partition_key for one in due})
        # Keys of folders that are gone, or of an earlier PARTITION_BY, are in there as well.
        self._partitioning.check(len(order) - MAX_PARTITIONS)
        requests: list[Request] = []
        for part in few_runs(due, order, self._run_max_audio_s):
            if len(requests) < room and (taken := self._taken(part)):
                requests.append(self._noted(request_for(taken, order), taken))
        return requests

    def _due(self, limit: int, *, is_stock: bool) -> list[Due]:
        files = self.ledger.files_in(("due",), self._watch.now, limit, is_stock=is_stock)
        found = []
        for file, recording in zip(files, self._recordings(files), strict=True):
            audio_s = recording.probe.duration_s or 0.0
            found.append(Due(file, recording.media_file, recording.partition_key, audio_s))
        return found

    def _taken(self, part: Sequence[Due]) -> list[Due]:
        """Those that nobody has touched since, or has open for writing now."""
        same = {file[:2] for file in self._watch.look_again([one.file for one in part])}
        here = [one for one in part if one.file[:2] in same]
        written = [one for one in here if self._storage.is_being_written(one.media_file.path)]
        self.ledger.put_files(
            one.file._replace(state="written", since=self._watch.now) for one in written
        )
        return [one for one in here if one not in written]

    def _noted(self, request: Request, taken: Sequence[Due]) -> Request:
        """The request, once the ledger has it."""
        now = self._watch.now
        self.ledger.put_files(
            one.file._replace(
                state="asked", since=now, num_asked=one.file.num_asked + 1, request=request.key
            )
            for one in taken
        )
        return request

    def _sentence(self, requests: Sequence[Request]) -> str:
        counts = self.ledger.counts()
        watch = self._watch
        if requests:
            num_files = sum(len(request.recording_ids) for request in requests)
            said = (
                f"{_count(num_files, 'media file')} to transcribe in {_count(len(requests), 'run')}"
            )
        elif watch.is_complete:
            said = "Nothing new"
        else:
            said = "The first look at the archive goes on"
        numbers = {
            "known": counts.get("known", 0),
            "settling": counts.get("settling", 0) + counts.get("settled", 0),
            "being written": counts.get("written", 0),
            "in runs": counts.get("asked", 0),
            "waiting": counts.get("due", 0),
            "gone": watch.num_gone,
        }
        parts = [f"{count:,} {state}" for state, count in numbers.items() if count]
        if watch.num_unreadable:
            parts.append(f"{_count(watch.num_unreadable, 'folder')} that cannot be read whole")
        return f"{said}: {', '.join(parts) or 'there are no media'}."


def _room(active: Mapping[str, bool]) -> int:
    """How many more runs for uploads there may be."""
    return MAX_RUNS - sum(not is_stock for is_stock in active.values())


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("s" if number != 1 else "")


def _is_due(file: File, found: backlog.RecordingWork, index: StoreIndex) -> bool:
    """Whether a run is to be asked for, this one file alone considered."""
    recording = found.recording
    fingerprint = recording.media_fingerprint
    if found.state == "failed" and fingerprint == guessed(recording.media_file)[0]:
        # Whether it can be read now, a run finds out, once.
        return found.is_pending or not file.num_asked
    if found.state == "stale":  # other options are for the nights; other bytes are an upload
        row = index.by_recording[recording.partition_key, recording.recording_id]
        return row.media_fingerprint != fingerprint
    return found.is_pending
