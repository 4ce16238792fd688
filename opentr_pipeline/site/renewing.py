"""What shows published words, made anew where it is there: exports, pages, the visitors' index."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from opentr_pipeline.errors import StoreError
from opentr_pipeline.exports.tree import Export, formats_there
from opentr_pipeline.pages.lists import HOME_PAGE
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.site_index import SiteIndex
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.derived_files import unwritten_sentence
from opentr_pipeline.transcripts.layout import EXPORTS, SEARCH
from opentr_pipeline.transcripts.published import store_of

_log = logging.getLogger(__name__)


def renew(settings: Settings, keys: Sequence[str]) -> list[str]:
    """Make anew what shows words and names, of some partitions and where it is there; sentences.

    In a bucket too. The rest follows by the sensor, as after any publication; a search of the
    command line looks by itself.
    """
    store = store_of(settings.workspace)
    exports, pages = store.root / EXPORTS, Pages(settings)
    index = SiteIndex(store, pages.root)
    sentences: dict[str, None] = {}
    unwritten: list[str] = []
    for key in keys:
        with _noting(sentences):
            for paths, formats in formats_there(store, exports, key).items():
                export = Export(store, exports, formats, settings, paths)
                unwritten += export.write(key).unwritten
        with _noting(sentences):
            if pages.tree.noted(key).names:
                unwritten += pages.write(key).unwritten
                index.write(key)
    with _noting(sentences):
        if index.is_there:
            index.write_volumes()
    with _noting(sentences):
        if pages.tree.is_there(HOME_PAGE):  # it shows the first words
            pages.write_home()
    with _noting(sentences):
        if exports.exists():
            store.elsewhere.send(EXPORTS)
        if pages.root.exists():
            pages.send()
    if unwritten:
        sentences[unwritten_sentence(unwritten, store.root)] = None
    return list(sentences)


def renew_index(settings: Settings) -> list[str]:
    """Bring the index of what is said up to date where there is one; sentences."""
    store, sentences = store_of(settings.workspace), dict[str, None]()
    index = SearchIndex(store)
    with _noting(sentences):
        if index.path.exists():
            sentences |= dict.fromkeys(index.refresh(wait=True).problems)
            store.elsewhere.send(SEARCH)
    return list(sentences)


class Renewal:
    """Renews one after another: what is asked for while it works is made at once afterwards.

    Several people correct while pages and index of an archive are written, and each of their
    corrections would else be followed by all of it.
    """

    def __init__(self, renewed: Callable[[list[str]], list[str]]) -> None:
        """Nothing is to be done yet.

        Args:
            renewed: makes partitions anew; sentences.
        """
        self._renewed = renewed
        self._asked, self._lock, self._is_busy = set[str](), threading.Lock(), False

    def ask(self, keys: Sequence[str]) -> None:
        """Make partitions anew, unless somebody who is at it does; what hinders it is logged."""
        with self._lock:
            self._asked.update(keys)
            if self._is_busy:
                return
            self._is_busy = True
        while keys := self._next():
            try:
                for sentence in self._renewed(keys):
                    _log.warning("%s", sentence)
            except Exception:  # whatever it was: else nothing would be made anew any more
                _log.exception("%s could not be made anew.", ", ".join(keys))

    def _next(self) -> list[str]:
        with self._lock:
            keys = sorted(self._asked)
            self._asked.clear()
            self._is_busy = bool(keys)
        return keys


@contextlib.contextmanager
def _noting(sentences: dict[str, None]) -> Iterator[None]:
    """One partition costs the others nothing."""
    try:
        yield
    except StoreError as error:
        sentences[str(error)] = None
