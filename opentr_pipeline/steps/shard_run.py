"""One shard from start to end; one bad recording never costs its neighbours."""

import dataclasses
import functools
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.errors import DeviceError, MediaError, OutOfMemoryError
from opentr_pipeline.planning.plan import Plan
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.recognition.engine import transcribe
from opentr_pipeline.recognition.recognizer import Recognizer
from opentr_pipeline.recognition.sources import Source
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.steps.attempts import Attempt
from opentr_pipeline.steps.outcome import ShardOutcome, status_and_reason
from opentr_pipeline.steps.publishing import publish_partition
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.elsewhere import Following
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Content, Transcript
from opentr_pipeline.transcripts.window_results import compose
from opentr_pipeline.transcripts.work_notes import Claim

# A recording under which the process died so often is not given a third one to kill.
MAX_DEATHS = 2
WITHDRAW_S = 2.0
_NOTHING = Transcript("", "", "failed")


class ShardRun:
    """Transcribes the items of a shard and publishes each partition that this completes."""

    def __init__(
        self,
        archive: Place,
        store: TranscriptStore,
        plan: Plan,
        load: Callable[[], Recognizer],
        batch_size: int,
    ) -> None:
        """Prepare; the model is loaded when the first recording needs it.

        Args:
            archive: where the items' paths start.
            store: the tables.
            plan: of the run that the shard belongs to.
            load: loads the model; called once.
            batch_size: windows decoded together.
        """
        self._archive = storage_of(archive)
        self._store, self._plan = store, plan
        self._load = load
        self._recognizer: Recognizer | None = None
        self.batch_size = batch_size
        self._under_way: dict[Source, Attempt] = {}
        self._checkpoints = Checkpoints(store.inner, store.database)
        # Items are taken on in the engine's threads and finished in the caller's.
        self._lock = threading.RLock()
        self.outcome = ShardOutcome(batch_size=batch_size)
        # Called with each partition that was published, in any thread.
        self.announce: Callable[[str], object] = lambda partition_key: None

    def run(self, items: Sequence[ShardItem]) -> ShardOutcome:
        """Work through the items; those that another run holds come last.

        Raises:
            OutOfMemoryError: the device has too little memory; nothing is held against a recording.
            ModelError: no recording can be transcribed with these settings.
            StoreError: outcomes cannot be kept.
        """
        started = time.monotonic()
        self._mine = Counter(key for item in items for key in item.partition_keys)
        self._following = Following(self._store.elsewhere, self._mine)
        self._index = self._store.index(self._plan.partitions)
        waiting = list(items)
        while waiting and not self._plan.taking.is_over:
            # A process died with these under way, and one of them may be the reason.
            suspects = [item for item in waiting if self._checkpoints.num_attempts(item.content)]
            others = [item for item in waiting if item not in suspects]
            held = [self._attend(group) for group in [others, *([item] for item in suspects)]]
            waiting = list(itertools.chain(*held))
            if waiting:
                self._checkpoints.wait_for(waiting[0].content)
        self.outcome.wall_s = time.monotonic() - started
        return self.outcome

    def close(self) -> None:
        """Give the model's memory back: whoever gets the worker slot next needs it at once."""
        if self._recognizer:
            self._recognizer.unload()
            self._recognizer = None

    def _loaded(self) -> Recognizer:
        if self._recognizer is None:
            started = time.monotonic()
            self._recognizer = self._load()
            self.outcome.load_s = time.monotonic() - started
        return self._recognizer

    def withdraw(self) -> None:
        """Take back the attempts under way: the process ends through no fault of theirs."""
        # From any thread, and in a hurry: an outcome that is being kept may finish first.
        is_locked = self._lock.acquire(timeout=WITHDRAW_S)
        try:
            while self._under_way:
                _, attempt = self._under_way.popitem()
                attempt.withdraw()
        finally:
            if is_locked:
                self._lock.release()

    def _attend(self, items: Sequence[ShardItem]) -> list[ShardItem]:
        """See that items have outcomes, many at once; returns those that another run holds."""
        held: list[ShardItem] = []
        sources = self._sources(items, held)
        try:
            if first := next(sources, None):  # else the model need not be loaded
                everything = itertools.chain([first], sources)
                loaded, times = self._loaded(), self.outcome.worker_times
                for source in transcribe(loaded, self.batch_size, everything, times):
                    with self._lock:
                        self._finish(source)
        except OutOfMemoryError:
            self._take_back()
            raise
        except DeviceError:  # whatever a recording did to the card, it may do again
            self._recognizer = None  # to ask a broken card for memory may end the process
            raise
        except BaseException:  # told to stop, no model, a full disk
            self.withdraw()
            raise
        finally:
            for attempt in self._under_way.values():
                attempt.claim.release()
            self._under_way.clear()
        return held

    def _sources(self, items: Sequence[ShardItem], held: list[ShardItem]) -> Iterator[Source]:
        """Claim items one by one, as the engine asks for them."""
        for item in items:
            if self._plan.taking.is_over:  # what is under way is finished and kept
                return
            if (claim := self._checkpoints.lock(item.content)) is None:
                held.append(item)
                self._following.expect(item.partition_keys)
                continue
            try:
                self._following.follow_again(item.partition_keys)  # finishing waits for no bucket
                with self._lock:
                    source = self._source(item, claim)
            except BaseException:
                claim.release()
                raise
            if source is None:
                claim.release()
            else:
                yield source

    def _source(self, item: ShardItem, claim: Claim) -> Source | None:
        """An item for the engine, or None where it has an outcome now."""
        if not self._checkpoints.has(item.content):  # another run may have published it
            self._index.update(self._store.index(item.partition_keys))
        if self._has_outcome(item.content):
            self.outcome.num_found_done += 1
            self._count_off(item)
            return None
        num_begun = self._checkpoints.begin_attempt(item.content)
        attempt = Attempt(item, claim, num_begun, self._archive, self._checkpoints)
        if attempt.num_begun > MAX_DEATHS:
            num_deaths = attempt.num_begun - 1
            reason = f"The process died {num_deaths} times while it transcribed this recording."
            self._end(attempt, Transcript(*item.content, "failed", reason))
            return None
        source = Source(
            Sound(
                functools.partial(self._archive.opened, item.media_file.path),
                item.options.audio_stream,
                split=item.options.audio_channels == "split",
                max_duration_s=item.options.max_duration_s,
            ),
            item.options,
            {one.place: one for one in self._checkpoints.heard_so_far(item.content)},
            attempt.keep,
        )
        self._under_way[source] = attempt
        return source

    def _take_back(self) -> None:
        """Withdraw the attempts; what they have heard is kept for the next ones."""
        try:
            with self._lock:
                for attempt in self._under_way.values():
                    attempt.keep_now()
        finally:
            self.withdraw()

    def _finish(self, source: Source) -> None:
        if (attempt := self._under_way.get(source)) is None:  # withdrawn
            return
        transcript = _outcome(source, attempt)
        if transcript.status == "failed":
            attempt.keep_now()
        self._end(attempt, transcript)
        if self._under_way.pop(source, None):  # else withdrawn while a disk was slow
            attempt.claim.release()

    def _end(self, attempt: Attempt, transcript: Transcript) -> None:
        """Keep an outcome, and publish what this completes."""
        self.outcome.add(attempt.item.media_file.path, attempt.end(transcript))
        self._count_off(attempt.item)

    def _count_off(self, item: ShardItem) -> None:
        """Publish the partitions in which nothing of this shard is left."""
        for key in item.partition_keys:
            self._mine[key] -= 1
            if not self._mine[key] and all(
                map(self._has_outcome, self._plan.contents_to_do(key))  # other shards' parts
            ):
                publish_partition(key, self._plan, self._store, self._index)
                self.announce(key)

    def _has_outcome(self, content: Content) -> bool:
        return self._checkpoints.has(content) or content in self._index.by_content


def _outcome(source: Source, attempt: Attempt) -> Transcript:
    """What became of an item, whatever happened to it."""
    try:
        attempt.check_unchanged()
        if source.error:
            raise source.error
        transcript = compose(source.heard, source.sound.duration_s, source.sound.peaks.evenly())
        status, reason = status_and_reason(transcript, source.sound, attempt.item)
    except MediaError as error:
        transcript, status, reason = _NOTHING, error.status, str(error)
    except OSError as error:
        reason = f"The file cannot be read: {error.strerror}."
        transcript, status = _NOTHING, "failed"
    except Exception as error:  # the engine's own; one recording must not end the shard
        transcript, status, reason = _NOTHING, "failed", f"{type(error).__name__}: {error}"
    return dataclasses.replace(transcript, status=status, reason=reason)
