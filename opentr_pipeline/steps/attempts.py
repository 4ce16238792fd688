"""An attempt at a recording: who has claimed it, and what was heard of it that memory alone has."""

import dataclasses
import time
from dataclasses import dataclass, field

from opentr_pipeline.archive.recordings import check_unchanged
from opentr_pipeline.archive.storage import Storage
from opentr_pipeline.errors import MediaError
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline.transcripts.work_notes import Claim
from opentr_pipeline.wording import now

# What a recording that takes longer may lose when the process dies.
KEEP_HEARD_S = 30.0


@dataclass(eq=False)
class Attempt:
    """An item that is claimed and under way.

    Attributes:
        claim: keeps others from it.
        num_begun: attempts without an outcome, this one included.
        unkept: windows that were heard since ``kept_at``, and are in memory alone.
    """

    item: ShardItem
    claim: Claim
    num_begun: int
    archive: Storage
    checkpoints: Checkpoints
    kept_at: float = 0.0
    unkept: list[Heard] = field(default_factory=list)

    def check_unchanged(self) -> None:
        """Make sure that the file is still the one that was scanned; see there."""
        check_unchanged(self.archive, self.item.media_file, self.item.media_fingerprint)

    def keep(self, heard: Heard) -> None:
        """Keep windows of a recording that takes long, now and then."""
        if heard.trouble:  # the next attempt tries it again
            return
        self.unkept.append(heard)
        # The time begins with the first window that is new: only new ones forgive a death.
        self.kept_at = self.kept_at or time.monotonic()
        if time.monotonic() - self.kept_at >= KEEP_HEARD_S:
            self.keep_now()

    def keep_now(self) -> None:
        """Keep what memory alone has: the next attempt need not hear it again."""
        if not self.unkept:
            return
        try:
            self.check_unchanged()
        except (MediaError, OSError):  # the words of other bytes
            return
        self.checkpoints.keep_heard(self.item.content, self.unkept)
        self.unkept = []
        self.kept_at = time.monotonic()

    def withdraw(self) -> None:
        """Take it back: it ends through no fault of the recording's."""
        self.checkpoints.withdraw_attempt(self.item.content)
        self.claim.release()

    def end(self, transcript: Transcript) -> Transcript:
        """Keep the outcome, with what it belongs to."""
        item = self.item
        outcome = dataclasses.replace(
            transcript,
            media_fingerprint=item.media_fingerprint,
            settings_fingerprint=item.options.settings_fingerprint,
            num_attempts=item.num_attempts + self.num_begun,
            model=item.options.model,
            compute_type=item.options.compute_type,
            task=item.options.task,
            transcribed_at=now(),
        )
        self.checkpoints.save(outcome)
        return outcome
