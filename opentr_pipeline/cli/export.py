"""``opentr export``: transcripts as files."""

import sys
from pathlib import Path

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, path_in_archive, settings_of
from opentr_pipeline.errors import StoreError, nothing_transcribed
from opentr_pipeline.settings.addresses import Place


def _formats(_: object, __: object, said: str) -> tuple[str, ...]:
    from opentr_pipeline.exports.documents import check_possible
    from opentr_pipeline.exports.formats import FORMATS

    chosen = tuple(dict.fromkeys(said.lower().replace(" ", "").split(",")))
    if not set(chosen) <= FORMATS.keys():
        raise click.BadParameter(f"some of {','.join(FORMATS)}, got {said!r}")
    for ending in chosen:
        check_possible(ending)
    return chosen


@click.command()
@archive_argument
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--format",
    "formats",
    metavar="srt,vtt,txt,json,tsv,csv,docx,pdf",
    default="srt,vtt,txt",
    show_default=True,
    callback=_formats,
)
@click.option(
    "--guard-formulas/--raw-csv",
    "guards_formulas",
    default=True,
    show_default=True,
    help="In csv, put an apostrophe before text that begins with = + - @: a spreadsheet would take "
    "what somebody said for a formula, and run it. --raw-csv: for programs that read the file.",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to. Default: exports in OUTPUT_DIR, which the asset subtitles keeps.",
)
def export(
    archive: Place | None,
    paths: tuple[str, ...],
    formats: tuple[str, ...],
    guards_formulas: bool,
    output: Path | None,
) -> None:
    """Write the transcripts of ARCHIVE as subtitles and text, in folders like the archive's.

    PATH, a folder or media file in the archive, limits it. Writes only what has changed, and
    removes files of recordings that are gone.
    """
    from opentr_pipeline.exports.tree import Export, Exported
    from opentr_pipeline.transcripts.derived_files import unwritten_sentence
    from opentr_pipeline.transcripts.layout import EXPORTS
    from opentr_pipeline.transcripts.published import store_of

    settings = settings_of(archive)
    store = store_of(settings.workspace)
    root = output.absolute() if output else store.root / EXPORTS
    inside = tuple(path_in_archive(path, settings.workspace.archive) for path in paths)
    made = Export(store, root, formats, settings, inside, guards_formulas)
    done = Exported()
    sentences: dict[str, None] = {}  # a full disk would say the same of each
    for key in made.partition_keys():
        try:
            done.add(made.write(key))
        except StoreError as error:  # of one partition, which costs the others nothing
            sentences[str(error)] = None
    if root == store.root / EXPORTS:
        store.elsewhere.send(EXPORTS)
    shown = root if output else store.elsewhere.place(root)
    if done.unwritten:
        sentences[unwritten_sentence(done.unwritten, root)] = None
    if not sentences and not done.num_recordings + done.num_wordless + done.num_removed:
        asked = f"{', '.join(inside)} in " if inside else ""
        raise nothing_transcribed(f"{asked}{settings.workspace.archive}")
    terminal.say(
        f"{done.num_recordings} recordings as {', '.join(formats)} in {shown}: {done.num_written} "
        f"files written, {done.num_unchanged} unchanged, {done.num_removed} removed; "
        f"{done.num_wordless} recordings without words have none."
    )
    if done.left_out:
        terminal.say(f"Left out: {len(done.left_out)} documents, such as {done.left_out[0]}")
    for sentence in sentences:
        terminal.complain(sentence)
    sys.exit(1 if sentences else 0)
