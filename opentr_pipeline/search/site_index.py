"""The index that visitors search, as files beside the pages: no server of ours is needed.

Layout below ``OUTPUT_DIR/pages/search``::

    manifest.js                 the volumes, and what a search can be narrowed to
    3-8f2a01c4/head.js ...      a volume: terms, parts, facets; another content, another name
    texts/1f/1f3a...-0.js       a part of a recording: what is said, by whom, when
    .units/KEY.0.json, .near    postings of a partition, of which volumes are made

A browser asks the volumes for parts that hold all words, and looks those through itself. See
decision 76.
"""

import contextlib
import hashlib
import json
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from opentr_pipeline.exports.titles import made_on, shown_title
from opentr_pipeline.pages.lists import page_of
from opentr_pipeline.pages.paragraphs import written_language
from opentr_pipeline.search.neighbours import bits_of, noted, numbers_of
from opentr_pipeline.search.parts import Part, Shown, as_script, counts_of, parts_of
from opentr_pipeline.search.passages import Spoken
from opentr_pipeline.search.postings import Postings, postings_of
from opentr_pipeline.search.token_times import token_times
from opentr_pipeline.search.volumes import VOLUME_PARTS, Unit, assigned, scripts_of
from opentr_pipeline.transcripts.derived_files import Note, WrittenTree, digest_of
from opentr_pipeline.transcripts.shown_names import told_names
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript

FOLDER = "search"
MANIFEST = "manifest.js"
WHOLE = "@whole"  # the name of its lock; no partition is called so
# In a list to choose from; folders within folders are left out first.
NUM_CHOICES = 500
# Of the files and of what is noted of them; what has another waits until it is made anew.
FORM = "5"


class _Entry(NamedTuple):
    """A part, and the name of its file."""

    name: str
    part: Part
    shown: Shown


class SiteIndex:
    """The visitors' index of one archive.

    Args:
        store: of the transcripts.
        pages: the root of the pages.
    """

    def __init__(self, store: TranscriptStore, pages: Path) -> None:  # noqa: D107
        self.tree = WrittenTree(store, pages / FOLDER)

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self.tree.is_there(MANIFEST)

    def write(self, partition_key: str) -> None:
        """Write what is said in a partition, and note where its words are; volumes come later.

        Raises:
            StoreError: the disk is full, or its tables cannot be read.
        """
        with self.tree.writing(partition_key):
            noted = self.tree.noted(partition_key)
            made_from = self.tree.made_from(partition_key, FORM)
            units = [name for name in noted.names if name.startswith(".units/")]
            is_same = made_from and noted.made_from == made_from
            if not is_same or not all(map(self.tree.is_there, units)):
                self._write(partition_key, noted, made_from)

    def _write(self, key: str, noted: Note, made_from: str) -> None:
        entries = list(self._entries(key)) if made_from else []
        names = []
        for name, part, shown in entries:
            place = f"texts/{name}"
            self.tree.replace(f"{place}.js", as_script(place, part.written(shown)))
            names.append(f"{place}.js")
        slices = _slices(entries)
        for number, some in slices.items():
            facts, near = _unit(some)
            unit = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
            for ending, content in (("json", unit), ("near", near)):
                names.append(f".units/{key}.{number}.{ending}")
                self.tree.replace(names[-1], content)
        self.tree.remove(set(noted.names) - set(names), key)
        sizes = {f"{key}.{number}": len(some) for number, some in slices.items()}
        self.tree.keep(key, Note(made_from, names, {"form": FORM, "sizes": sizes}))

    def _entries(self, key: str) -> Iterator[_Entry]:
        columns = ["recording_id", "modified_at", "tags"]
        table = self.tree.store.read_partition("recordings", key).select(columns)
        known = {row["recording_id"]: row for row in table.to_pylist()}
        for path, recording_id, transcript in self.tree.transcripts(key):
            if transcript.status == "no_speech":
                continue
            shown = _shown(path, transcript, known.get(recording_id, {}))
            for number, part in enumerate(parts_of(_spoken(transcript))):
                yield _Entry(f"{recording_id[:2]}/{recording_id}-{number}", part, shown)

    def write_volumes(self) -> None:
        """Join what is noted of all partitions; volumes of which nothing has changed stay.

        Raises:
            StoreError: the disk is full.
        """
        with self.tree.writing(WHOLE):
            sizes: dict[str, int] = {}
            for key in self.tree.partition_keys():
                facts = self.tree.noted(key).facts
                sizes |= facts["sizes"] if facts.get("form") == FORM else {}
            before = {unit: number for unit, number in self._assigned().items() if unit in sizes}
            volumes = assigned(sizes, before)
            self.tree.replace(".units/volumes.json", json.dumps(volumes).encode())
            by_volume = defaultdict(list)
            for unit, number in sorted(volumes.items()):
                by_volume[number].append(unit)
            shown, choices = [], _Choices()
            for number, names in sorted(by_volume.items()):
                folder, found = self._volume(number, names)
                shown.append([folder, found["parts"], found["bits"]])
                choices.add(found["choices"])
            manifest = {"volumes": shown, "choices": choices.shown()}
            self.tree.replace(MANIFEST, as_script("manifest", manifest))
            self._remove_old({*(folder for folder, *_ in shown), "texts"})

    def _assigned(self) -> dict[str, int]:
        path = self.tree.root / ".units" / "volumes.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def _volume(self, number: int, names: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """Make a volume, unless it is there; its folder, and what the manifest says of it."""
        contents = []
        for name in names:
            files = [self.tree.root / ".units" / f"{name}.{ending}" for ending in ("json", "near")]
            # Taken out just now: who did joins anew. One that is lost is written again with its
            # partition.
            with contextlib.suppress(FileNotFoundError):
                contents.append([path.read_bytes() for path in files])
        digest = hashlib.sha256(b"\n".join([FORM.encode(), *chain(*contents)])).hexdigest()[:8]
        folder = f"{number}-{digest}"
        summary = self.tree.root / ".units" / f"{folder}.summary"
        if not summary.exists() or not (self.tree.root / folder / "head.js").exists():
            read = (Unit(**json.loads(facts), near=near) for facts, near in contents)
            # Others are being written just now, one file after the other; who does joins anew.
            units = [unit for unit in read if digest_of(unit.near) == unit.near_digest]
            for name, script in scripts_of(folder, units):
                self.tree.replace(name, script)
            self.tree.replace(f".units/{summary.name}", json.dumps(_summary(units)).encode())
        return folder, json.loads(summary.read_bytes())

    def _remove_old(self, kept: set[str]) -> None:
        """Remove volumes that the manifest does not name any more."""
        for path in self.tree.root.iterdir():
            if path.is_dir() and path.name not in kept and not path.name.startswith("."):
                shutil.rmtree(path)
                (self.tree.root / ".units" / f"{path.name}.summary").unlink(missing_ok=True)


class _Choices:
    """What a search can be narrowed to, with numbers of parts."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, numbers: Mapping[str, Mapping[str, int]]) -> None:
        """Count a volume's."""
        for kind, by_value in numbers.items():
            self._counts[kind].update(by_value)

    def shown(self) -> dict[str, list[str]]:
        """Values by kind; of many, the folders that are nearest to the root."""
        return {
            kind: sorted(sorted(by_value, key=lambda value: value.count("/"))[:NUM_CHOICES])
            for kind, by_value in sorted(self._counts.items())
        }


def _shown(path: str, transcript: Transcript, row: Mapping[str, Any]) -> Shown:
    return Shown(
        shown_title(path, row.get("tags")),
        path,
        page_of(path),
        made_on(row.get("tags"), row.get("modified_at")),
        transcript.status,
        written_language(transcript.task, transcript.language),
        told_names(transcript),
        made_on(row.get("tags"), None),
    )


def _spoken(transcript: Transcript) -> list[Spoken]:
    """The segments, by time."""
    spoken = []
    for one in sorted(transcript.segments, key=lambda segment: segment.start_s):
        texts, starts_s = [w.text for w in one.words], [w.start_s for w in one.words]
        times = token_times(one.text, texts, starts_s, one.start_s)
        language = written_language(transcript.task, one.language or transcript.language)
        confidence = math.exp(min(one.avg_logprob, 0.0))
        spoken.append(
            Spoken(one.start_s, one.end_s, language, confidence, one.text, one.speaker, times)
        )
    return spoken


def _slices(entries: Sequence[_Entry]) -> dict[int, list[_Entry]]:
    """The parts of a partition in units of at most some ``VOLUME_PARTS``, by their recordings.

    Twice as many where one has become too large, so that other recordings stay in theirs.
    """
    num_slices = 1
    while len(entries) > num_slices * VOLUME_PARTS:
        num_slices *= 2
    slices: dict[int, list[_Entry]] = defaultdict(list)
    for entry in entries:
        slices[int(entry.name[3:11], 16) % num_slices].append(entry)
    return slices


def _unit(entries: Iterable[_Entry]) -> tuple[dict[str, Any], bytes]:
    """What is noted of some parts, and of what stands next to each other in them."""
    names: list[str] = []
    near: list[set[int]] = []
    terms: dict[str, list[tuple[int, int]]] = defaultdict(list)
    facets: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for number, (name, part, shown) in enumerate(entries):
        names.append(name)
        tokens = part.tokens()
        near.append(numbers_of(tokens))
        for term, count in counts_of(tokens).items():
            terms[term].append((number, count))
        for kind, value in part.facets(shown):
            facets[kind][value].append((number, 1))
    facts = {
        "parts": names,
        "terms": _all_postings(terms),
        "facets": {kind: _all_postings(by_value) for kind, by_value in sorted(facets.items())},
        "near_digest": digest_of(kept := noted(near)),
    }
    return facts, kept


def _all_postings(counts: Mapping[str, Iterable[tuple[int, int]]]) -> dict[str, Postings]:
    return {term: postings_of(its) for term, its in sorted(counts.items())}


def _summary(units: Sequence[Unit]) -> dict[str, Any]:
    """What the manifest says of a volume, and how many units have what they can be found by."""
    choices: dict[str, Counter[str]] = defaultdict(Counter)
    for unit in units:
        for kind, by_value in unit.facets.items():
            choices[kind].update(by_value.keys())
    num_parts = sum(len(unit.parts) for unit in units)
    return {
        "parts": num_parts,
        "bits": bits_of([unit.near for unit in units]),
        "choices": {kind: dict(by_value) for kind, by_value in choices.items()},
    }
