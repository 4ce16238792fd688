"""One shard from start to end; one bad recording never costs its neighbours."""

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opentr_pipeline.audio import Audio, decode, is_cut_off
from opentr_pipeline.checkpoints import Checkpoints
from opentr_pipeline.errors import DeviceError, MediaError, ModelError
from opentr_pipeline.locks import POLL_S
from opentr_pipeline.plan import Plan
from opentr_pipeline.recordings import check_unchanged
from opentr_pipeline.shards import ShardItem
from opentr_pipeline.transcriber import Transcriber
from opentr_pipeline.transcript import Content, Transcript, now
from opentr_pipeline.transcript_store import TranscriptStore
from opentr_pipeline.work import publish_partition

# A recording under which the process died so often is not given a third one to kill.
MAX_DEATHS = 2


@dataclass
class ShardOutcome:
    """What became of a shard.

    Attributes:
        num_by_status: recordings that this step transcribed, by status.
        num_found_done: contents that another run had finished meanwhile.
        audio_s: seconds of sound that this step transcribed.
        wall_s: from the lease to the end, model load included.
        failures: sentences with path and reason.
    """

    num_by_status: Counter[str] = field(default_factory=Counter)
    num_found_done: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    failures: list[str] = field(default_factory=list)


class ShardRun:
    """Transcribes the items of a shard and publishes each partition that this completes."""

    def __init__(
        self,
        archive: Path,
        store: TranscriptStore,
        plan: Plan,
        load: Callable[[], Transcriber],
        batch_size: int,
    ) -> None:
        """Prepare; the model is loaded when the first recording needs it.

        Args:
            archive: where the items' paths start.
            store: the tables.
            plan: of the run that the shard belongs to.
            load: loads the model, once.
            batch_size: windows decoded together.
        """
        self._archive = archive
        self._store = store
        self._plan = plan
        self._load = load
        self._batch_size = batch_size
        self._transcriber: Transcriber | None = None
        self._under_way: Content | None = None
        self._checkpoints = Checkpoints(store.inner)
        self._index = store.index(plan.partitions)
        self.outcome = ShardOutcome()

    def run(self, items: Sequence[ShardItem]) -> ShardOutcome:
        """Work through the items; those that another run holds come last.

        Raises:
            ModelError: no recording can be transcribed with these settings.
            StoreError: outcomes cannot be kept.
        """
        started = time.monotonic()
        self._mine = Counter(key for item in items for key in item.partition_keys)
        waiting = [item for item in items if not self._attend(item)]
        while waiting:
            time.sleep(POLL_S)
            waiting = [item for item in waiting if not self._attend(item)]
        self.outcome.wall_s = time.monotonic() - started
        return self.outcome

    def _attend(self, item: ShardItem) -> bool:
        """See that an item has an outcome; False where another run is at it."""
        claim = self._checkpoints.lock(item.content)
        if claim is None:
            return False
        try:
            if not self._checkpoints.has(item.content):
                # Another run may have published it, and dropped its checkpoint.
                self._index.update(self._store.index(item.partition_keys))
            if self._has_outcome(item.content):
                self.outcome.num_found_done += 1
            else:
                self._attempt(item)
        finally:
            os.close(claim)
        for key in item.partition_keys:
            self._mine[key] -= 1
            if not self._mine[key]:
                self._publish_if_complete(key)
        return True

    def _attempt(self, item: ShardItem) -> None:
        """Transcribe an item and keep the outcome; only deaths leave a note behind."""
        self._under_way = item.content
        begun = self._checkpoints.begin_attempt(item.content)
        try:
            self._finish(item, self._transcribed(item, begun))
        except DeviceError:  # whatever the recording did to the card, it may do again
            raise
        except BaseException:  # told to stop, no model, a full disk
            self.withdraw()
            raise
        self._under_way = None

    def withdraw(self) -> None:
        """Take back the attempt under way: the process ends through no fault of the recording."""
        if self._under_way:
            self._checkpoints.withdraw_attempt(self._under_way)
            self._under_way = None

    def _has_outcome(self, content: Content) -> bool:
        return self._checkpoints.has(content) or content in self._index.by_content

    def _finish(self, item: ShardItem, transcript: Transcript) -> None:
        self._checkpoints.save(transcript)
        self.outcome.num_by_status[transcript.status] += 1
        self.outcome.audio_s += transcript.duration_s
        if transcript.status == "failed":
            self.outcome.failures.append(f"{item.media_file.path}: {transcript.reason}")

    def _transcribed(self, item: ShardItem, begun: int) -> Transcript:
        """The outcome for one item, whatever happens to it; ``begun`` attempts have none."""
        blank = Transcript(
            media_fingerprint=item.media_fingerprint,
            settings_fingerprint=item.options.settings_fingerprint,
            status="failed",
            num_attempts=item.num_attempts + begun,
        )
        if begun > MAX_DEATHS:
            reason = f"The process died {begun - 1} times while it transcribed this recording."
            return dataclasses.replace(blank, reason=reason, transcribed_at=now())
        try:
            return self._heard(item, blank)
        except (ModelError, DeviceError):
            raise
        except MediaError as error:
            status, reason = error.status, str(error)
        except OSError as error:
            status, reason = "failed", f"The file cannot be read: {error.strerror}."
        except Exception as error:  # the engine's own; one recording must not end the shard
            status, reason = "failed", f"{type(error).__name__}: {error}"
        return dataclasses.replace(blank, status=status, reason=reason, transcribed_at=now())

    def _heard(self, item: ShardItem, blank: Transcript) -> Transcript:
        check_unchanged(self._archive, item.media_file)
        audio = decode(self._archive / item.media_file.path)
        if self._transcriber is None:
            self._transcriber = self._load()
        transcript = self._transcriber.transcribe(audio, self._batch_size)
        check_unchanged(self._archive, item.media_file)
        status, reason = _status(transcript, audio, item)
        return dataclasses.replace(
            transcript,
            status=status,
            reason=reason,
            media_fingerprint=blank.media_fingerprint,
            settings_fingerprint=blank.settings_fingerprint,
            num_attempts=blank.num_attempts,
        )

    def _publish_if_complete(self, partition_key: str) -> None:
        """Publish a partition unless some other shard still works on a part of it."""
        if all(map(self._has_outcome, self._plan.contents_to_do(partition_key))):
            publish_partition(partition_key, self._plan, self._store, self._index)


def _status(transcript: Transcript, audio: Audio, item: ShardItem) -> tuple[str, str]:
    """Status and reason once the damage to the file is weighed."""
    claimed_s = item.duration_s
    if claimed_s is not None and not item.may_be_estimated and is_cut_off(audio, claimed_s):
        heard = f"{audio.duration_s:.1f} s of {claimed_s:.1f} s"
        return "truncated", f"Only {heard} can be decoded."
    if audio.num_errors and transcript.status == "ok":
        packets = f"{audio.num_errors} packets of the file cannot be decoded"
        return "suspect", f"{packets}; times after them may be early."
    return transcript.status, transcript.reason
