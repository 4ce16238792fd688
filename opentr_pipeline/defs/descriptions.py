"""What the page says about the assets; ``{opentr}`` stands for the command, see ``described``."""

from opentr_pipeline.commands import program

MEDIA = """\
The archive: the folder that holds all media, audio and video. It is only read, and nothing here
makes it; what people put there is seen by the sensor `uploads`."""

RECORDINGS = """\
What media the archive holds: one row is one media file, with container, codec, duration and the
digest of its content.

*Refreshed* for the partitions of a run by the sensor `uploads` (new media), the schedule `nights`,
`{opentr} run`, and whenever you materialise a partition; rows of files that are gone stay, with
`in_archive` false, and those of folders that cannot be read stay as they are. *When it fails*: the
archive could not be read; the error names the folder. A broken media file never fails it, it is a
row with a status."""

TRANSCRIPTS = """\
What is said in the recordings: one row is one recording with status and text, in the table
`transcripts`; a span of speech in `segments`; a word with its times in `words`.

*Refreshed* by the sensor `uploads` (new media), the schedule `nights` (what is left),
`{opentr} run`, and whenever you materialise a partition: only what is missing, stale or failed is
transcribed, so materialising again is cheap. Select `recordings` as well, so that new media
are seen. *When it fails*: recordings with status `failed` are named in the error; everything else
of the partition is published. Materialise it again, or run `{opentr} retry-failed`. The *checks*
judge all partitions after every run; the job `check_transcripts` judges without transcribing.

*The pool* `gpu` counts runs under way, of which each waits for worker slots by itself: its limit is
the worker slots and nine, so that uploads get the next slot while backfills go on."""

SPEAKERS = """\
Who speaks when: one row of the table `speakers` is somebody who speaks in a recording, with what
tells the voice from others; one of `turns` is a stretch in which one person speaks. `words` and
`segments` get their speakers with it, and segments are parted where the speaker changes.

*Refreshed* where `SPEAKERS` is true, for the archive or for a folder, after the transcription of a
partition, by the schedule `nights`, `{opentr} run`, and whenever you materialise a partition; on
the CPU, and nothing is transcribed. Where it is false no more, or no more asked for, the model's
own segments come back. *When it fails*: the error names the recordings; everything else is
published. Materialise it again, or run `{opentr} retry-failed` for what was given up.

What tells a voice from others is biometric data: it is in the table `speakers` alone."""

SUBTITLES = """\
What is said, to read and to watch: one file is one recording as `.srt`, `.vtt` or `.txt`, in
folders like the archive's, below `exports`. Recordings without words have none.

*Refreshed* by the sensor `refreshes` where new transcripts were published, whenever you materialise
a partition, and by `{opentr} export`: from the published transcripts, without a model. Files that
would be the same stay, those of recordings that are gone are removed. *When it fails*: the disk is
full or the folder cannot be written; the error names it. Materialise it again; nothing does so by
itself before there are new transcripts."""

SEARCH_INDEX = """\
What is said, ready to be searched with `{opentr} search`: one row is one segment that can be
found.

*Refreshed* by the sensor `refreshes` where new transcripts were published, whenever you materialise
a partition, and by every search that finds something new published: only recordings that changed
are indexed, without a model, so that nobody has to materialise it. *When it fails*: the tables of a
partition are damaged, or the disk is full; the error says which. The index holds nothing that is
not in the tables and may be deleted."""

PAGES = """\
What is said, to read and to hear in a browser: one page is one recording with its player, in
`pages/recordings`; a list for each partition, and a home page for the archive, `pages/index.html`.
They are files that need no server. Set `PAGES_URL` where a web server shows them, and the links
below lead there.

*Refreshed* by the sensor `refreshes` where new transcripts were published, whenever you materialise
a partition, and by `{opentr} pages`: from the published transcripts, without a model. Pages that
would be the same stay, those of recordings that are gone are removed. *When it fails*: the disk is
full or the folder cannot be written; the error names it. Materialise it again; nothing does so by
itself before there are new transcripts."""

ARCHIVE_REPORT = """\
How the archive stands, to read and to hand on: one HTML file, `pages/report.html`. Hours by
language, folder and status, what to check first, what went wrong, speed, confidence, duplicates,
and word error rates where references exist.

*Refreshed* by the sensor `refreshes` where new transcripts were published, once an hour at most,
whenever you materialise it, and by `{opentr} report`: only partitions that changed are read, and
nothing is transcribed. *When it fails*: nothing is transcribed yet, or the disk is full; the error
says which."""


def described(text: str) -> str:
    """A description that names commands as they can be typed here."""
    return text.format(opentr=program())
