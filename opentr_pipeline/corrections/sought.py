"""What visitors look for, as words and how often: no more is kept, neither who nor when.

A program that gives away files alone hears of no search, as browsers do it themselves; so these are
the searches on pages that are served where people may correct.
"""

import json
from collections import Counter
from pathlib import Path

from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.locks import locked
from opentr_pipeline.transcripts.layout import StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole

MAX_WORDS = 5_000  # kept; the rarest go first
MAX_LETTERS = 40  # of a word; whatever is longer is none
MAX_WORDS_OF_ONE = 10  # of a search


class Sought:
    """The words that visitors of one archive have looked for."""

    def __init__(self, layout: StoreLayout) -> None:
        """Name the file; nothing is read yet."""
        self._layout, self._path = layout, layout.inner / "sought.json"

    def counts(self) -> Counter[str]:
        """How often each word was looked for."""
        try:
            return Counter(json.loads(self._path.read_bytes()))
        except (FileNotFoundError, ValueError):  # none yet, or cut short by a power cut
            return Counter()

    def add(self, text: str) -> None:
        """Count the words of a search.

        Raises:
            StoreError: the disk is full.
        """
        words = [one for one in comparable_words(text) if len(one) <= MAX_LETTERS]
        with disk_sentences(self._layout.root), locked(_lock(self._layout)):
            counts = self.counts() + Counter(set(words[:MAX_WORDS_OF_ONE]))
            kept = dict(counts.most_common(MAX_WORDS))
            write_whole(self._path, json.dumps(kept, ensure_ascii=False).encode())


class Worth:
    """How much words are looked for, beside others."""

    def __init__(self, counts: Counter[str]) -> None:
        """Count nothing more.

        Args:
            counts: how often each word was looked for.
        """
        self._counts, self._most = counts, max(counts.values(), default=1)

    def of(self, text: str) -> tuple[float, tuple[str, ...]]:
        """From 0 to 1 by the word of a text that is looked for most, and its words that are."""
        if not self._counts:
            return 0.0, ()
        found = sorted(set(comparable_words(text)) & self._counts.keys(), key=self._order)
        return (self._counts[found[0]] / self._most if found else 0.0), tuple(found)

    def _order(self, word: str) -> tuple[int, str]:
        return -self._counts[word], word


def _lock(layout: StoreLayout) -> Path:
    locks = layout.inner / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / "sought"
