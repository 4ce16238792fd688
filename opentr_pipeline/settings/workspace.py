"""Where everything of one archive is: the media, the output, the state, the models."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from opentr_pipeline.settings.addresses import BucketAddress, Place


@dataclass(frozen=True)
class Workspace:
    """The places of an archive, made once from the settings and handed on.

    Attributes:
        archive: the root of all media; only read.
        output: the tables and what is made from them; where they are in a bucket, this machine's
            copy.
        home: the state of all archives of this installation.
        models: fetched models, shared by all archives.
        worker_slots: the locks of the worker slots, shared by all who use the devices.
        output_bucket: where the tables are, if it is no folder.
        database: the URL of Dagster's state in PostgreSQL; empty: it is in ``dagster_home``.
    """

    archive: Place
    output: Path
    home: Path
    models: Path
    worker_slots: Path
    database: str = field(default="", repr=False)  # it holds a password
    output_bucket: BucketAddress | None = None

    @cached_property
    def slug(self) -> str:
        """The archive's name in folders of several archives; see ``archive_slug``."""
        return archive_slug(self.archive)

    @property
    def output_place(self) -> Place:
        """Where people find the tables."""
        return self.output_bucket or self.output

    @property
    def state(self) -> Path:
        """What is kept of this archive alone, so that partitions never mix."""
        return self.home / "archives" / self.slug

    @property
    def dagster_home(self) -> Path:
        """Dagster's own state of this archive."""
        return self.state / "dagster_home"

    @property
    def uploads_ledger(self) -> Path:
        """What the sensor knows of files that come and settle."""
        return self.state / "uploads.sqlite"

    @property
    def stack_state(self) -> Path:
        """What the containers of the production stack keep beside their database."""
        return self.home / "prod" / self.slug

    @property
    def probe_memory(self) -> Path:
        """What was found in media files; one for all archives, by the files' own identity."""
        return self.home / "probes.sqlite"

    @property
    def benchmarks(self) -> Path:
        """What was measured on this machine."""
        return self.home / "bench"


def archive_slug(archive: Place) -> str:
    """A readable name for an archive, the same for the same place: ``radio-1f3a9c2e``."""
    if isinstance(archive, BucketAddress):
        place = f"{archive.endpoint} {archive}".encode()
    else:
        place = os.fsencode(os.path.realpath(archive))
    name = re.sub(r"[^A-Za-z0-9]+", "-", archive.name).strip("-") or "archive"
    return f"{name[:40]}-{hashlib.sha256(place).hexdigest()[:8]}"
