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
from opentr_pipeline.errors import MediaError, ModelError
from opentr_pipeline.locks import POLL_S
from opentr_pipeline.recordings import check_unchanged
from opentr_pipeline.shards import ShardItem
from opentr_pipeline.transcriber import Transcriber
from opentr_pipeline.transcript import Transcript, now
from opentr_pipeline.transcript_store import TranscriptStore
from opentr_pipeline.work import Plan, publish_partition

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
        self._checkpoints = Checkpoints(store.inner, plan.settings_fingerprint)
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
            # The other run may have published it, and dropped its checkpoint.
            self._index = self._store.index(self._plan.partitions)
            waiting = [item for item in waiting if not self._attend(item)]
        self.outcome.wall_s = time.monotonic() - started
        return self.outcome

    def _attend(self, item: ShardItem) -> bool:
        """See that an item has an outcome; False where another run is at it."""
        claim = self._checkpoints.lock(item.media_fingerprint)
        if claim is None:
            return False
        try:
            if self._has_outcome(item.media_fingerprint):
                self.outcome.num_found_done += 1
            else:
                self._finish(item, self._transcribed(item))
        finally:
            os.close(claim)
        for key in item.partition_keys:
            self._mine[key] -= 1
            if not self._mine[key]:
                self._publish_if_complete(key)
        return True

    def _has_outcome(self, media_fingerprint: str) -> bool:
        content = (media_fingerprint, self._plan.settings_fingerprint)
        return self._checkpoints.has(media_fingerprint) or content in self._index.by_content

    def _finish(self, item: ShardItem, transcript: Transcript) -> None:
        self._checkpoints.save(transcript)
        self.outcome.num_by_status[transcript.status] += 1
        self.outcome.audio_s += transcript.duration_s
        if transcript.status == "failed":
            self.outcome.failures.append(f"{item.media_file.path}: {transcript.reason}")

    def _transcribed(self, item: ShardItem) -> Transcript:
        """The outcome for one item, whatever happens to it."""
        begun = self._checkpoints.begin_attempt(item.media_fingerprint)
        blank = Transcript(
            media_fingerprint=item.media_fingerprint,
            settings_fingerprint=self._plan.settings_fingerprint,
            status="failed",
            num_attempts=item.num_attempts + begun,
        )
        if begun > MAX_DEATHS:
            reason = f"The process died {begun - 1} times while it transcribed this recording."
            return dataclasses.replace(blank, reason=reason, transcribed_at=now())
        try:
            return self._heard(item, blank)
        except ModelError:
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
        cut_off = _cut_off(audio, item)
        return dataclasses.replace(
            transcript,
            status="truncated" if cut_off else transcript.status,
            reason=cut_off or transcript.reason,
            media_fingerprint=blank.media_fingerprint,
            settings_fingerprint=blank.settings_fingerprint,
            num_attempts=blank.num_attempts,
        )

    def _publish_if_complete(self, partition_key: str) -> None:
        """Publish a partition unless some other shard still works on a part of it."""
        if all(map(self._has_outcome, self._plan.contents_to_do(partition_key))):
            publish_partition(partition_key, self._plan, self._store, self._index)


def _cut_off(audio: Audio, item: ShardItem) -> str:
    """How much of a damaged file was heard, a sentence; empty where it is whole."""
    claimed_s = item.duration_s
    if claimed_s is None or item.may_be_estimated or not is_cut_off(audio, claimed_s):
        return ""
    return f"Only {audio.duration_s:.1f} s of {claimed_s:.1f} s can be decoded."
