"""How steps fail for good: with a sentence, and never tried again, which would fail again."""

from collections.abc import Sequence

from dagster import Failure

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.wording import visible

MAX_SENTENCES = 5


def refused(error: OpentrError) -> Failure:
    """A refusal; the same settings would refuse again."""
    return Failure(str(error), allow_retries=False)


def unexpected(error: Exception) -> Failure:
    """What is ours to mend."""
    return Failure(visible(f"{type(error).__name__}: {error}"), allow_retries=False)


def some_of(sentences: Sequence[str], between: str = "; ") -> str:
    """The first of what the steps say; dots stand for the others."""
    more = " ..." if sentences[MAX_SENTENCES:] else ""
    return between.join(sentences[:MAX_SENTENCES]) + more
