"""What the model made of one window; pure."""

import re
from dataclasses import dataclass

from opentr_pipeline.transcripts.transcript import (
    MAX_COMPRESSION_RATIO,
    MAX_NO_SPEECH_PROBABILITY,
    MIN_AVG_LOGPROB,
)

# Words that are said twice in a row only by those who mean it; shorter ones often are.
MIN_TWICE_WORDS = 3
_WORD = re.compile(r"\w+")


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
    def ends_twice(self) -> bool:
        """Whether its last words stand there twice, as they do where a short context ends.

        The model is then certain of them: what is likelier does not tell.
        """
        words = _WORD.findall(self.text.casefold())
        lengths = range(MIN_TWICE_WORDS, len(words) // 2 + 1)
        return any(words[-length:] == words[-2 * length : -length] for length in lengths)

    @property
    def may_be_silence(self) -> bool:
        """Whether it is empty, or the model doubts that anybody speaks."""
        return not self.text or self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY

    @property
    def likelihood(self) -> tuple[bool, float]:
        """The larger, the more it is to be believed."""
        return not self.is_loop, self.avg_logprob

    def is_likelier_than(self, full: "Decoded") -> bool:
        """Whether these words of a cut context are to be believed before those of the full one.

        Whether anything is said at all, or twice, is for the full one to decide.
        """
        may_be_silence = self.may_be_silence or full.may_be_silence
        is_strange = may_be_silence or self.is_doubtful or self.ends_twice
        return not is_strange and self.likelihood > full.likelihood

    @property
    def is_doubtful(self) -> bool:
        """Whether another try is due, by the rules of openai/whisper's fallback."""
        if self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY:
            return self.is_loop  # silence makes no sense at any temperature
        return self.is_loop or self.avg_logprob < MIN_AVG_LOGPROB
