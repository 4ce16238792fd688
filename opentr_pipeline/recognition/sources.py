"""The recordings that the engine is given, and what it knows of each on its way."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import Place
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.transcripts.window_results import Heard


@dataclass(eq=False)
class Source:
    """A recording to transcribe.

    Attributes:
        sound: its audio.
        options: how to transcribe it.
        known: windows that an earlier attempt has heard.
        on_heard: called for every window that is new, one call at a time.
        heard: what was made of each window so far, in no order; filled in by the engine.
        error: why it could not be heard to the end.
    """

    sound: Sound
    options: TranscriptionOptions
    known: Mapping[Place, Heard] = field(default_factory=dict)
    on_heard: Callable[[Heard], object] = lambda heard: None
    heard: list[Heard] = field(default_factory=list)
    error: Exception | None = None


@dataclass(eq=False)
class UnderWay:
    """A source on its way through the engine.

    Attributes:
        stretches: windows that wait, in order, for their language, and what is known of others
            beside them.
        language: of the stretch before.
        num_open: windows that are in the engine.
    """

    source: Source
    stretches: deque[tuple[list[Part], list[Heard]]] = field(default_factory=deque)
    language: str = ""
    num_open: int = 0
    is_at_end: bool = False
