"""The people of an archive on the disk: ``.store/people/people.json``, and the table ``people``.

The file is the truth, and the only thing of ours here that cannot be made again: it holds what
people have said. It is written whole, by one at a time, and depends on no model, so that it
outlasts transcripts and models. The table is a copy for readers, without vectors.
"""

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from opentr_pipeline.errors import StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.plain_files import private_folder
from opentr_pipeline.speakers.people import People, people_from_dict
from opentr_pipeline.transcripts.layout import PEOPLE, StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole

PEOPLE_VERSION = 1


class PeopleStore:
    """The people of one archive."""

    def __init__(self, layout: StoreLayout) -> None:
        """Name the files; nothing is made until somebody is named."""
        self._layout = layout
        self.path = layout.root / PEOPLE

    @property
    def table(self) -> Path:
        """The copy for readers."""
        return self._layout.root / "people" / "people.parquet"

    def load(self) -> People:
        """Who is known; nobody where nobody was ever named.

        Raises:
            StoreError: the file is damaged, or of a newer release.
        """
        try:
            facts = json.loads(self.path.read_bytes())
            if facts["version"] > PEOPLE_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer release; update opentr_pipeline."
                )
            return people_from_dict(facts)
        except FileNotFoundError:
            return People()
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.path} is damaged ({error}); restore it from a backup: it holds the names "
                "that people have given."
            ) from None

    def change(self, make: Callable[[People], People]) -> People:
        """Make the people others, while nobody else does; what they are then.

        Args:
            make: gives the new ones from the old ones; may refuse by raising.

        Raises:
            StoreError: the file is damaged, or cannot be written.
        """
        with disk_sentences(self._layout.root):
            folder = private_folder(self.path.parent)
            with locked(folder / "lock"):
                old, new = self._followed(make)
                if new != old:
                    fresh = folder / "people.new"
                    write_whole(self.path, _content(new), fresh, is_durable=True)
                if new != old or (new.persons and not self.table.exists()):
                    self._write_table(new)
                    self._layout.elsewhere.send("people")
        return new

    def _followed(self, make: Callable[[People], People]) -> tuple[People, People]:
        """Those before and after, once other hosts know: what they have changed comes first."""
        elsewhere = self._layout.elsewhere
        while True:
            elsewhere.follow_file(PEOPLE)
            old = self.load()
            new = make(old)
            if new == old or elsewhere.commit_file(PEOPLE, _content(new)):
                return old, new

    def _write_table(self, people: People) -> None:
        from opentr_pipeline.transcripts.table_files import replace_rows

        rows = [
            {
                "person_id": person.person_id,
                "name": person.name,
                "note": person.note,
                "confirmed_at": datetime.fromisoformat(person.confirmed_at),
                "num_voices": len(person.voices),
            }
            for person in people.persons
            if person.voices
        ]
        self.table.parent.mkdir(parents=True, exist_ok=True)
        replace_rows(self.table, "people", rows, self.path.with_name("table.new"))


def _content(people: People) -> bytes:
    facts = {"version": PEOPLE_VERSION, **dataclasses.asdict(people)}
    return json.dumps(facts, ensure_ascii=False, indent=1).encode()
