"""Who speaks in the recordings of one shard; one bad recording never costs its neighbours."""

import contextlib
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opentr_pipeline.archive.recordings import check_unchanged
from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.errors import MediaError, OpentrError
from opentr_pipeline.planning.speaker_plan import HearingItem, SpeakerPlan
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.steps.speaker_publishing import publish_speakers_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline.wording import number_text, readable

# Tries that gave nothing, or under which the process died; another one is not made.
MAX_TRIES = 2
NOBODY = "There are words in it, but nobody is heard to speak, in no mix of its channels."
_log = logging.getLogger(__name__)


class Hears(Protocol):
    """Tells speakers apart."""

    def hear(self, sound: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
        """Who speaks when in a recording."""


@dataclass
class HearingOutcome:
    """What became of a shard.

    Attributes:
        num_heard: recordings that this step heard.
        num_found_done: contents that another run had heard meanwhile.
        audio_s: seconds of sound that this step heard.
        wall_s: from the lease to the end.
        failures: sentences with path and reason.
    """

    num_heard: int = 0
    num_found_done: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def speed_x(self) -> float:
        """Seconds of sound in a second."""
        return self.audio_s / self.wall_s if self.wall_s else 0.0


class HearingRun:
    """Hears the items of a shard and publishes each partition that this completes."""

    def __init__(
        self, archive: Place, store: TranscriptStore, plan: SpeakerPlan, load: Callable[[], Hears]
    ) -> None:
        """Prepare; the networks are loaded when the first recording needs them.

        Args:
            archive: where the items' paths start.
            store: the tables.
            plan: of the run that the shard belongs to.
            load: loads the networks; called once.
        """
        self._archive = storage_of(archive)
        self._store, self._plan, self._load = store, plan, load
        self._diarizer: Hears | None = None
        self._kept = KeptSpoken(store.inner, store.database)
        self._under_way: list[Content] = []
        self.outcome = HearingOutcome()
        # Called with each partition that was published.
        self.announce: Callable[[str], object] = lambda partition_key: None

    def run(self, items: Sequence[HearingItem]) -> HearingOutcome:
        """Work through the items; those that another run holds come last.

        Raises:
            ModelError: the networks are not there.
            StoreError: outcomes cannot be kept.
        """
        started = time.monotonic()
        self._mine = Counter(key for item in items for key in item.partition_keys)
        # A process died with the last of these under way, and it may be the reason.
        waiting = sorted(items, key=lambda item: self._kept.num_attempts(item.content))
        while waiting and not self._plan.is_over:
            waiting = [item for item in waiting if not self._attend(item)]
            if waiting:
                self._kept.wait_for(waiting[0].content)
        self.outcome.wall_s = time.monotonic() - started
        return self.outcome

    def withdraw(self) -> None:
        """Take back the attempt under way: the process ends through no fault of the recording."""
        while self._under_way:
            self._kept.withdraw_attempt(self._under_way.pop())

    def _attend(self, item: HearingItem) -> bool:
        """See that an item has an outcome; whether nobody else holds it."""
        if self._plan.is_over:
            return True
        claim = self._kept.lock(item.content)
        if claim is None:
            return False
        try:
            if self._is_known(item):
                self.outcome.num_found_done += 1
            else:
                self._hear(item)
        except BaseException:
            self.withdraw()
            raise
        finally:
            claim.release()
        self._count_off(item)
        return True

    def _is_known(self, item: HearingItem) -> bool:
        if self._kept.has_final(item.content):
            return True
        # Another run may have published it, and dropped what was kept.
        rows = self._store.index(item.partition_keys).by_recording.values()
        return any(row.spoken_content == item.content and not row.speakers_reason for row in rows)

    def _hear(self, item: HearingItem) -> None:
        num_tries = self._kept.begin_attempt(item.content)
        if num_tries > MAX_TRIES:
            before = self._kept.load(item.content)
            died = f"The process died {num_tries - 1} times while it heard who speaks."
            self._save(item, reason=before.reason if before else died)
            return
        self._under_way.append(item.content)
        diarizer = self._loaded()
        try:
            self._tell(item, diarizer)
        except MediaError as error:
            self._save(item, reason=str(error), is_final=error.status != "failed")
        except OSError as error:
            reason = f"The file cannot be read: {error.strerror}."
            self._save(item, reason=reason, is_final=False)
        except OpentrError:
            raise
        except Exception as error:  # one recording must not end the shard
            self._save(item, reason=f"{type(error).__name__}: {error}", is_final=False)
        self._under_way.clear()

    def _tell(self, item: HearingItem, diarizer: Hears) -> None:
        sound = Sound(
            functools.partial(self._archive.opened, item.media_file.path),
            item.options.audio_stream,
            split=item.options.audio_channels == "split",
            max_duration_s=item.options.max_duration_s,
        )
        turns, voices = _heard(diarizer, sound)
        media_fingerprint, _ = item.content
        check_unchanged(self._archive, item.media_file, media_fingerprint)
        self._save(item, turns, voices, reason="" if turns else NOBODY)
        self.outcome.num_heard += 1
        self.outcome.audio_s += sound.duration_s
        heard = number_text(len(voices), "speaker")
        _log.info("'%s': %s in %.1f s.", readable(item.media_file.path), heard, sound.duration_s)

    def _loaded(self) -> Hears:
        if self._diarizer is None:
            self._diarizer = self._load()
        return self._diarizer

    def _save(
        self,
        item: HearingItem,
        turns: tuple[Turn, ...] = (),
        voices: tuple[Voice, ...] = (),
        *,
        reason: str = "",
        is_final: bool = True,
    ) -> None:
        self._kept.save(Spoken(*item.content, turns, voices, reason), is_final=is_final)
        if reason:
            said = f"{readable(item.media_file.path)}: {reason}"
            self.outcome.failures.append(said)
            _log.warning("%s", said)

    def _count_off(self, item: HearingItem) -> None:
        """Publish the partitions in which nothing of this shard is left."""
        for key in item.partition_keys:
            self._mine[key] -= 1
            if not self._mine[key] and all(
                map(self._kept.has_final, self._plan.contents_to_do(key))  # other shards' parts
            ):
                publish_speakers_of(key, self._plan, self._store)
                self.announce(key)


def _heard(diarizer: Hears, sound: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
    """Who speaks in the mix of channels, else in what the words may have been heard in."""
    heard = diarizer.hear(sound)
    if heard[0]:
        return heard
    for other in sound.others():
        with contextlib.suppress(MediaError):  # not what decides over the file
            instead = diarizer.hear(other)
            if instead[0]:
                return instead
    return heard
