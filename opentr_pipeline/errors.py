"""The error tree. A message is one sentence: what was wrong, with the value, and what to do.

What happens on each kind:

* ``OpentrError`` and its children stop the command that met them; the sentence is all that
  a person sees.
* ``DeviceError`` ends the process; its step is tried again in a new one. So does its child
  ``OutOfMemoryError``, held against no recording; the new process asks for less memory
  (see ``memory_limits``).
* ``MediaError`` never stops anything: it becomes the recorded outcome of one media file.
* Everything else that escapes from one recording is recorded as ``failed`` and tried again
  by a later run (see ``backlog.MAX_ATTEMPTS``).
"""

from opentr_pipeline.commands import command
from opentr_pipeline.wording import visible


class OpentrError(Exception):
    """A refusal with its remedy, ready to be shown to a person.

    Attributes:
        exit_code: of the command that met it.
    """

    exit_code = 2

    def __init__(self, sentence: str) -> None:
        """Keep it as one line: the names in it are of others."""
        super().__init__(visible(sentence))


class SettingsError(OpentrError):
    """A variable has a value that cannot work; nothing was started."""


class ArchiveError(OpentrError):
    """The archive cannot be read as a whole, or has too many partitions."""


class InterruptedRunError(OpentrError):
    """Ctrl-C ended a run; says what is kept and how to go on."""

    exit_code = 130  # as shells have it


class ModelError(OpentrError):
    """A model is not there, is not what it should be, or cannot do what is asked."""


class StoreError(OpentrError):
    """The output directory cannot be read or written."""


def nothing_transcribed(where: object) -> StoreError:
    """The refusal to make something of transcripts where there are none.

    Args:
        where: the archive, or what of it was asked for.
    """
    return StoreError(f"Nothing of {where} is transcribed yet; {command('run')} does it.")


class ReferenceTextError(OpentrError):
    """A reference beside the media cannot be compared; the checks show the sentence."""


class DocumentError(OpentrError):
    """A transcript cannot be written as a document of some kind."""


class QueryError(OpentrError):
    """A search that cannot be answered as it was typed."""


class SpeakerError(OpentrError):
    """A speaker or a person who is not there, or a name that cannot be one."""


class ServiceError(OpentrError):
    """A long-running service could not be started or stopped."""


class PlantedFileError(OpentrError):
    """A file is a link or no regular file, in a folder that others may write to."""


class NoSlotError(OpentrError):
    """No worker slot is left whose device has the memory that the model needs."""


class DeviceError(Exception):
    """The device failed under the engine; only a new process can try again."""


class OutOfMemoryError(DeviceError):
    """The device has too little memory left, which is no recording's fault.

    Attributes:
        is_loading: for the model itself; a smaller batch would not help.
    """

    def __init__(self, said: str, *, is_loading: bool = False) -> None:
        """Keep what the device said."""
        super().__init__(said)
        self.is_loading = is_loading


class MediaError(Exception):
    """One media file cannot be transcribed; carries the outcome that is recorded.

    Attributes:
        status: one of ``transcript.STATUSES``.
    """

    def __init__(self, status: str, reason: str) -> None:
        """Keep the status beside the reason, a sentence."""
        super().__init__(visible(reason))
        self.status = status

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """For pickle, which would forget the status."""
        return type(self), (self.status, str(self))
