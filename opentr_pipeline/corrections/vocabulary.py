"""What people put again and again in place of the model's words: terms for a vocabulary."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.transcripts.store import TranscriptStore

# A longer text is no term but a sentence.
MAX_TERM_WORDS = 4


@dataclass(frozen=True)
class Term:
    """Words that a model should know.

    Attributes:
        num_places: in which people have put them.
    """

    text: str
    num_places: int


def recurring(store: TranscriptStore, at_least: int) -> list[Term]:
    """The terms that people have put in so many places, most places first.

    Args:
        store: of the archive.
        at_least: places; the same bytes elsewhere are no other place.
    """
    columns = ["recording_id", "edit_id", "kind", "state", "old", "new"]
    rows = store.read("corrections", columns).to_pylist()
    edits = {row["edit_id"]: row for row in rows if row["kind"] == "words"}
    pairs = [(row["old"], row["new"]) for row in edits.values() if row["state"] != "undone"]
    counts = Counter(term for old, new in pairs for term in set(_terms(old, new)))
    frequent = {term: count for term, count in counts.items() if count >= at_least}
    written = _written_by_model(store, {row["recording_id"] for row in rows})
    found = [
        Term(term, count)
        for term, count in frequent.items()
        if not _is_known(term, count, written) and not _is_in_another(term, count, frequent)
    ]
    return sorted(found, key=lambda one: (-one.num_places, one.text))


def _terms(old: str, new: str) -> Iterable[str]:
    """The new words, each by itself and all of them together, without signs around them."""
    there = set(comparable_words(old))
    words = [_bare(word) for word in new.split()]
    if 1 < len(words) <= MAX_TERM_WORDS and not there & set(comparable_words(new)):
        yield _bare(new)
    yield from (word for word in words if word and not there & set(comparable_words(word)))


def _bare(text: str) -> str:
    begin, end = 0, len(text)
    while begin < end and not text[begin].isalnum():
        begin += 1
    while end > begin and not text[end - 1].isalnum():
        end -= 1
    return text[begin:end]


def _written_by_model(store: TranscriptStore, recording_ids: set[str]) -> Counter[str]:
    """How often the model writes each word by itself, in the recordings with corrections."""
    written: Counter[str] = Counter()
    for key in sorted(store.partition_keys("corrections")):
        rows = store.read_partition("words", key).select(["recording_id", "text", "model_text"])
        for row in rows.to_pylist():
            if row["recording_id"] in recording_ids and row["model_text"] is None:
                written[_bare(row["text"])] += 1
    return written


def _is_known(term: str, count: int, written: Counter[str]) -> bool:
    """Whether the model writes it by itself more often than people had to."""
    return written[term] > count


def _is_in_another(term: str, count: int, others: dict[str, int]) -> bool:
    """Whether it is but a part of a longer term, wherever people have put it."""
    return any(
        term != other and count == num_places and f" {term} " in f" {other} "
        for other, num_places in others.items()
    )
