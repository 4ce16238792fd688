"""The checks of all transcripts: their names are sentences that can be false; pure."""

from collections.abc import Callable
from dataclasses import dataclass

from opentr_pipeline.quality.archive_facts import ArchiveFacts
from opentr_pipeline.quality.verdicts import (
    MAX_DOUBTFUL_SHARE,
    MAX_WORD_ERROR_RATE,
    Verdict,
    every_recording_is_accounted_for,
    loops_and_low_confidence_are_rare,
    segments_are_ordered_and_inside_the_media,
    speed_is_not_below_half_of_usual,
    word_error_rate_is_low,
)


@dataclass(frozen=True)
class Check:
    """A sentence that can be false, and how it is judged.

    Attributes:
        meaning: when it holds, and what to do where it does not.
    """

    meaning: str
    judge: Callable[[ArchiveFacts], Verdict]


CHECKS = {
    check.judge.__name__: check
    for check in (
        Check(
            "ERROR where a published partition has lost rows or cannot be read: restore it from a "
            "backup, or remove it and run again. Recordings without a transcript of their current "
            "bytes are accounted for by their status; those that wait for a run, and partitions "
            "without transcripts, are counted and named.",
            every_recording_is_accounted_for,
        ),
        Check(
            "ERROR where a segment begins before its predecessor (on its channel), or a segment or "
            "word lies outside [0, duration_s]. It never should; please report it.",
            segments_are_ordered_and_inside_the_media,
        ),
        Check(
            f"WARN where over {MAX_DOUBTFUL_SHARE:.0%} of the seconds in segments are flagged "
            "loop or low_confidence, in all partitions together or in one with ten minutes. "
            "Listen to some of the named; try a larger model, the language, or hotwords.",
            loops_and_low_confidence_are_rare,
        ),
        Check(
            "WARN where a partition's latest day of work went at less than half of the median "
            "speed of all other audio with the same model and compute type (at least ten minutes "
            "of each, and not over a week before the newest). Something else may be using the "
            "machine or the card.",
            speed_is_not_below_half_of_usual,
        ),
        Check(
            f"WARN where over {MAX_WORD_ERROR_RATE:.0%} of the words of all references "
            "(NAME.reference.txt, .srt or .vtt beside the media) are wrong; characters, in scripts "
            "without spaces. Try a larger model or the recording's language.",
            word_error_rate_is_low,
        ),
    )
}


def judge_all(facts: ArchiveFacts) -> dict[str, Verdict]:
    """The verdict of every check, by its name."""
    return {name: check.judge(facts) for name, check in CHECKS.items()}
