"""``opentr align``: transcripts that exist already, at their times in the sound."""

import sys

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, setup_of
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import number_text


@click.command()
@archive_argument
def align(archive: Place | None) -> None:
    """Put transcripts that lie beside the media of ARCHIVE in the place of the model's words.

    NAME.vtt, NAME.srt, NAME.docx or NAME.txt beside the media file NAME.mp3: its words get the
    times at which the model heard them, and not a letter of it changes. Where less than half of it
    was heard, the model's words stay. Run it after run, and again when a text is changed or gone.
    """
    from opentr_pipeline.site.renewing import renew
    from opentr_pipeline.steps.aligning import Aligning

    setup = setup_of(archive)
    done = Aligning(setup).run()
    terminal.say(
        f"{number_text(done.num_aligned, 'recording')} aligned, {done.num_unchanged} unchanged; "
        f"{number_text(done.num_unfit, 'text')} not fitting, {done.num_restored} back to the "
        f"model's words; {number_text(done.num_waiting, 'text')} waiting for media to be "
        "transcribed."
    )
    sentences = [*done.sentences, *renew(setup.settings, done.changed)]
    for sentence in sentences:
        terminal.complain(sentence)
    sys.exit(1 if sentences else 0)
