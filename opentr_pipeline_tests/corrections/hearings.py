"""What is said, and what models make of it, with errors; all of it made up."""

import dataclasses
import random
from dataclasses import dataclass

from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.making import transcript

# Small words come often, as in any language, and next to each other as well.
SMALL = "the of and to a in no no yes yes it is".split()
LARGE = [f"{a}{b}{c}" for a in ("bar", "col", "dim") for b in "aeiou" for c in ("ned", "rik", "st")]
SENTENCE = 9
JITTER_S = 0.15


def speech(num_words: int, seed: int) -> list[str]:
    """What is said, a word a second."""
    drawn = random.Random(seed)
    return [drawn.choice(SMALL if drawn.random() < 0.5 else LARGE) for _ in range(num_words)]


def hearing(said: list[str], seed: int, errors: float) -> Transcript:
    """What a model writes: words of its own, left out and put in, at times somewhat off."""
    drawn = random.Random(seed)
    words: list[Word] = []
    for second, word in enumerate(said):
        at_s = second + drawn.uniform(0, JITTER_S)
        kind = drawn.choice(("other", "less", "more")) if drawn.random() < errors else "same"
        texts = {
            "same": [word],
            "other": [f"mis{drawn.choice(LARGE)}"],
            "less": [],
            "more": [word, drawn.choice(SMALL)],
        }[kind]
        length_s = 0.8 / max(1, len(texts))
        for number, text in enumerate(texts):
            start_s = at_s + number * length_s
            words.append(Word(f" {text}", start_s, start_s + length_s, 0.5))
    groups = [words[at : at + SENTENCE] for at in range(0, len(words), SENTENCE)]
    segments = tuple(
        Segment(
            group[0].start_s,
            group[-1].end_s,
            "".join(word.text for word in group).strip(),
            *(-0.25, 0.125, 1.5),
            tuple(group),
        )
        for group in groups
    )
    return dataclasses.replace(
        transcript(text=""), segments=segments, duration_s=float(len(said)) + 1.0
    )


@dataclass
class Made:
    """An edit that was made at random.

    Attributes:
        mark: the one word that it puts there, which nobody says else; empty where it puts none.
    """

    edit_id: str
    mark: str
    start_s: float
    end_s: float


def edit_at_random(heard: Transcript, seed: int, count: int) -> tuple[EditMaker, list[Made]]:
    """Edits of one person, each on the words as the ones before have left them."""
    drawn, maker, made = random.Random(seed), EditMaker(heard, who="anna"), []
    for number in range(count):
        row = maker.row(None)
        if len(row) < 2:
            break
        start = drawn.randrange(len(row) - 1)
        end = min(len(row), start + drawn.randrange(1, 3))
        kind = drawn.choice(("replace", "replace", "insert", "delete", "speaker", "border"))
        mark = ""
        if kind in ("replace", "insert"):
            mark = f"mark{number}x"
            more = drawn.choice(("", " also"))
            maker.words(None, start, start if kind == "insert" else end, f" {mark}{more}")
        elif kind == "delete":
            maker.words(None, start, end, "")
        elif kind == "speaker":
            maker.speaker(None, start, end, drawn.choice(("ANNA", "Berta")))
        elif start:
            maker.border(None, start, begins=not row[start].begins)
        else:
            continue
        edit = maker.edits[-1]
        made.append(Made(edit.edit_id, mark, edit.start_s, edit.end_s))
    return maker, made


def words_of(found: Transcript) -> list[Word]:
    """The words of all segments."""
    return [word for segment in found.segments for word in segment.words]
