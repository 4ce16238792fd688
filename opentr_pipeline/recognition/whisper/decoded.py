"""What the model made of one window; pure."""

from dataclasses import dataclass

from opentr_pipeline.transcripts.transcript import (
    MAX_COMPRESSION_RATIO,
    MAX_NO_SPEECH_PROBABILITY,
    MIN_AVG_LOGPROB,
)


@dataclass(frozen=True)
class Decoded:
    """What the model made of one window.

    Attributes:
        tokens: of the text alone.
        avg_logprob: mean log-probability of the tokens; 0 is certain.
        is_endless: it stopped only because no more tokens were allowed.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    is_endless: bool

    @property
    def is_loop(self) -> bool:
        """Whether the text repeats itself."""
        return self.is_endless or self.compression_ratio > MAX_COMPRESSION_RATIO

    @property
    def is_doubtful(self) -> bool:
        """Whether another try is due, by the rules of openai/whisper's fallback."""
        if self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY:
            return self.is_loop  # silence makes no sense at any temperature
        return self.is_loop or self.avg_logprob < MIN_AVG_LOGPROB
