"""Word times as the alignment gives them -> as people expect them; pure."""

import dataclasses
import statistics
from collections.abc import Sequence

from opentr_pipeline.recognition.whisper.word_bounds import num_letters
from opentr_pipeline.transcripts.transcript import SENTENCE_ENDS, Word

# No word is said for longer than twice the usual time, except where a speaker pauses.
USUAL_WORD_S = 0.7
SHORT_WORD_S = 0.1
# A pause between words that begins a new segment.
SEGMENT_PAUSE_S = 1.0


def trimmed(words: Sequence[Word]) -> list[Word]:
    """Shorten words that the alignment stretched over a pause; pure.

    Silence has no token, so that the word beside it gets its time: before the first word, after
    the last, and where one sentence ends and the next begins. Most of it is gone before this,
    where silence can be told from speech.
    """
    if not words:
        return []
    usual_s = statistics.median(word.end_s - word.start_s for word in words)
    letter_s = statistics.median((one.end_s - one.start_s) / num_letters(one.text) for one in words)
    kept = list(words)
    for place, word in enumerate(words):
        expected_s = max(usual_s, num_letters(word.text) * letter_s, SHORT_WORD_S)
        max_s = 2 * min(USUAL_WORD_S, expected_s)
        if word.end_s - word.start_s <= max_s:
            continue
        if place == 0 or words[place - 1].text.endswith(SENTENCE_ENDS):
            kept[place] = dataclasses.replace(word, start_s=word.end_s - max_s)
        elif place == len(words) - 1 or word.text.endswith(SENTENCE_ENDS):
            kept[place] = dataclasses.replace(word, end_s=word.start_s + max_s)
    return kept


def parted(words: Sequence[Word]) -> list[list[Word]]:
    """Words in groups, a new one after each pause; pure."""
    groups: list[list[Word]] = []
    for word in words:
        is_blank = not word.text.strip()  # no group of its own
        if groups and (is_blank or word.start_s - groups[-1][-1].end_s < SEGMENT_PAUSE_S):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups
