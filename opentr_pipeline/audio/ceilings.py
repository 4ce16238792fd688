"""What hearing a media file may cost, held against its size: some bytes can decode to years."""

from opentr_pipeline.settings.sound import MAX_DURATION_S

# Below is no speech, and a sample becomes thousands at 16 kHz; above is no sound.
MIN_SAMPLE_RATE_HZ = 1_000
MAX_SAMPLE_RATE_HZ = 6_000_000
# FFmpeg's resampler takes no more.
MAX_CHANNELS = 64
# In a frame, all channels together: nearly twice what the largest of Monkey's Audio holds.
MAX_FRAME_SAMPLES = 1 << 22
# Each costs a resampler of its own, some of them a quarter of a second.
MAX_FORMATS = 1_000
# A recording of a night of songs has one for each.
MAX_PARTS = 1_000
# Heard where nobody speaks in the best one.
MAX_OTHER_STREAMS = 32
# Fewer bytes for a second than any codec needs for speech.
MIN_BYTES_PER_S = 10.0
# What may be heard however small a file is.
FREE_SOUND_S = 60.0
# Headers round, and decoders add some milliseconds: so much more is no longer recording.
ROUNDING_S = 1.0
# A frame whose time is so much later than the sound before it leaves a gap: packets are missing, or
# a film's sound begins after its picture. More than the maximum is a broken clock.
MIN_GAP_S = 0.1
MAX_GAP_S = 3600.0
# Silence in gaps, however small a file is: where the container's length has room for it, as where
# the speakers of a call are recorded each by themselves; where it has not; where it says none.
CLAIMED_SILENCE_S = 6 * 3600.0
UNCLAIMED_SILENCE_S = 60.0
FREE_SILENCE_S = 600.0


def refusal(sample_rate_hz: int, num_channels: int) -> str:
    """Why sound is not heard at all, a sentence; empty where it is."""
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        return (
            f"Its sample rate is {sample_rate_hz} Hz, and sound is heard at {MIN_SAMPLE_RATE_HZ} "
            f"to {MAX_SAMPLE_RATE_HZ} Hz; convert it to 16000 Hz."
        )
    if num_channels > MAX_CHANNELS:
        return (
            f"It has {num_channels} channels, and {MAX_CHANNELS} can be heard; convert it to files "
            "of fewer channels."
        )
    return ""


class Allowance:
    """How much of one file may still be heard.

    Attributes:
        size_bytes: of the file.
        status: of the recording where it is not heard to its end; else empty.
        reason: a sentence then.
        left_out_s: how far its clock got ahead in gaps that were not filled.
    """

    def __init__(self, max_duration_s: float = MAX_DURATION_S) -> None:
        """Begin a file.

        Args:
            max_duration_s: what is heard of a recording.
        """
        self.size_bytes = 0
        self.status = self.reason = ""
        self.left_out_s = 0.0
        self._max_duration_s = max_duration_s
        self._decoded_s = self._heard_s = self._silent_s = self._max_silent_s = 0.0
        self._may_jump = False
        self._num_formats = self._num_parts = 0

    def of_another_stream(self) -> "Allowance":
        """What may be heard of another one: what is decoded of all of them is one sum."""
        other = Allowance(self._max_duration_s)
        other._decoded_s = self._decoded_s
        return other

    def count(self, other: "Allowance") -> None:
        """Count what was decoded of another one, in which nobody spoke."""
        self._decoded_s = other._decoded_s

    def begin(self, claimed_s: float | None) -> None:
        """Begin a container of the file.

        Args:
            claimed_s: how long it says that it is; 0 where it does not, None where no header can:
                its clock is that of a broadcast, which may jump.
        """
        self._may_jump = claimed_s is None
        self._max_silent_s = max(FREE_SILENCE_S, self._held_s)
        if claimed_s and claimed_s > 0:
            at_most_s = max(CLAIMED_SILENCE_S, self._held_s)
            self._max_silent_s = min(max(claimed_s, UNCLAIMED_SILENCE_S), at_most_s)

    @property
    def doubt(self) -> str:
        """What is doubtful about times, a sentence; empty where nothing is."""
        if not self.left_out_s:
            return ""
        return (
            f"Its clock jumps by {self.left_out_s:.0f} s, and that gap is left out; times after it "
            "may be too early."
        )

    def silence(self, missing_s: float) -> float:
        """How much of a gap is filled: all of it or nothing, since the clock is broken then."""
        if missing_s < MIN_GAP_S:
            return 0.0
        if missing_s > min(MAX_GAP_S, self._max_silent_s - self._silent_s):
            if not self._may_jump:
                self.left_out_s = max(self.left_out_s, missing_s)
            return 0.0
        self._silent_s += missing_s
        self._heard_s += missing_s
        return missing_s

    def sound(self, seconds: float) -> None:
        """Count what was decoded."""
        self._decoded_s += seconds
        self._heard_s += seconds
        if self._heard_s > self._max_duration_s + ROUNDING_S:
            self.status = "too_long"
            self.reason = (
                f"Heard as far as MAX_DURATION_S={self._max_duration_s:.0f}; set a larger one to "
                "hear the rest."
            )
        elif self._decoded_s >= max(FREE_SOUND_S, self._held_s):
            self._end(
                f"the file goes on decoding beyond what its {self.size_bytes} bytes can hold; copy "
                "it again."
            )

    def format(self) -> None:
        """Count a change of rate, channels or samples."""
        self._num_formats += 1
        if self._num_formats > MAX_FORMATS:
            self._end(f"its format has changed {MAX_FORMATS} times; convert it to one format.")

    def part(self) -> bool:
        """Count a container of the file; whether it may be heard."""
        self._num_parts += 1
        if self._num_parts > MAX_PARTS:
            self._end(f"it has more than {MAX_PARTS} parts; convert it to one file.")
        return not self.status

    def _end(self, why: str) -> None:
        self.status = "truncated"
        self.reason = f"Heard as far as {self._heard_s:.0f} s: {why}"

    @property
    def _held_s(self) -> float:
        return self.size_bytes / MIN_BYTES_PER_S
