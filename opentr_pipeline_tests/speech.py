"""Real speech with reference texts from Debian packages, and the word error rate against it.

The recordings are telephone prompts (8 kHz, CC BY-SA) in five languages and five English audiobook
sentences (16 kHz, public domain). They are fetched when a test asks for them, into a cache that is
about 130 MB large; nothing of them belongs in the repository.
"""

import gzip
import re
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer  # type: ignore[import-untyped]
from whisper_normalizer.english import EnglishTextNormalizer  # type: ignore[import-untyped]

LANGUAGES = ("en", "es", "fr", "it", "ru")
MIN_SECONDS, MAX_SECONDS, MIN_WORDS = 2.0, 30.0, 4
TIMEOUT = 300.0  # seconds for one download or one unpacking

# The text is not word for word what is said: digits and keys that are written as signs, stage
# directions, and lines where the next prompt's name and text follow without a line break.
NOT_VERBATIM = re.compile(r"[\d\[\]<>()*#]|\w-\w+: ")

# Recordings that say something other than their text (release 1.6.1, found by transcribing them).
_MISMATCHED = {
    "es/vm-record-prepend",  # begins with the end of another prompt, "press four to ..."
    "it/vm-rec-unv",  # "registrare il proprio ... premere", not "registra il tuo ... premi"
}

# Most of the Spanish references are written without any accents.
_NORMALISERS = {"en": EnglishTextNormalizer(), "es": BasicTextNormalizer(remove_diacritics=True)}


class SpeechUnavailableError(Exception):
    """The reference speech cannot be had on this machine.

    Attributes:
        reason: One sentence that says what is missing, fit for a skipped test.
    """

    def __init__(self, reason: str) -> None:
        """Keeps the sentence that says what is missing."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ReferenceSpeech:
    """One recording and the words that are said in it.

    Attributes:
        path: The wave file (16-bit mono, 8 or 16 kHz).
        language: Two-letter code of the spoken language.
        text: What is said, as the publisher wrote it.
        source: Debian package and name of the recording in it.
    """

    path: Path
    language: str
    text: str
    source: str


def fetch(cache_dir: Path, seconds_per_language: float = 150.0) -> list[ReferenceSpeech]:
    """Fetches recordings in five languages, or takes them from the cache.

    The choice is the same on every call: five English audiobook sentences (25 s), then per
    language the longest prompts, ties by name, until `seconds_per_language` is reached.

    Args:
        cache_dir: Where the unpacked packages are kept; made if missing.
        seconds_per_language: Seconds of speech per language, reached or just passed.

    Returns:
        The recordings: the sentences, then the prompts by language, the longest first.

    Raises:
        SpeechUnavailableError: A tool or a package cannot be had, or holds too little speech.
    """
    speech = list(sentences(cache_dir))
    spoken = {"en": sum(_seconds(sentence.path) for sentence in speech)}
    for language in LANGUAGES:
        speech += _longest(cache_dir, language, seconds_per_language - spoken.get(language, 0.0))
    return speech


def word_error_rate(pairs: list[tuple[str, str, str]]) -> float:
    """Computes the word error rate over a corpus, after normalisation.

    Args:
        pairs: Language code, reference text and transcribed text of each recording.

    Returns:
        Wrong, missing and added words as a fraction of the words in all references.

    Raises:
        ValueError: There are no pairs, or a reference has no words.
    """
    counted = [word_errors(*pair) for pair in pairs]
    errors, words = (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0)
    if not words:
        raise ValueError("A word error rate needs references with words in them.")
    return errors / words


def word_errors(language: str, reference: str, hypothesis: str) -> tuple[int, int]:
    """Counts wrong, missing and added words, and the words of the reference, after normalisation.

    Raises:
        ValueError: The reference has no words.
    """
    errors = errors_at_words(language, reference, hypothesis)
    return sum(errors), len(errors)


def errors_at_words(language: str, reference: str, hypothesis: str) -> list[int]:
    """Counts wrong, missing and added words at each word of the reference, after normalisation.

    An added word counts at the word that it stands before, or at the last one.

    Raises:
        ValueError: The reference has no words.
    """
    said = _normalised(language, reference)
    if not said:
        raise ValueError("A word error rate needs references with words in them.")
    found = jiwer.process_words(said, _normalised(language, hypothesis))
    errors = [0] * len(found.references[0])
    for chunk in found.alignments[0]:
        if chunk.type == "insert":
            place = min(chunk.ref_start_idx, len(errors) - 1)
            errors[place] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            for place in range(chunk.ref_start_idx, chunk.ref_end_idx):
                errors[place] += 1
    return errors


def _normalised(language: str, text: str) -> str:
    """Normalises as Whisper's authors do, and drops the optional dots of the Russian ё."""
    normalised: str = _NORMALISERS.get(language, BasicTextNormalizer())(text)
    return normalised.replace("ё", "е").strip()


def _longest(cache_dir: Path, language: str, seconds: float) -> Iterator[ReferenceSpeech]:
    """Yields the longest prompts until they make up the asked seconds, or raises."""
    timed = [(_seconds(prompt.path), prompt) for prompt in prompts(cache_dir, language)]
    usable = [entry for entry in timed if MIN_SECONDS <= entry[0] <= MAX_SECONDS]
    total = 0.0  # seconds
    for duration, prompt in sorted(usable, key=lambda entry: (-entry[0], entry[1].source)):
        if total >= seconds:
            return
        total += duration
        yield prompt
    if total < seconds:
        raise SpeechUnavailableError(
            f"The packages hold {total:.0f} s of usable '{language}' speech, not {seconds:.0f} s."
        )


def prompts(
    cache_dir: Path, language: str, min_words: int = MIN_WORDS
) -> Iterator[ReferenceSpeech]:
    """Yields the telephone prompts of a language whose text is what is said."""
    package = f"asterisk-core-sounds-{language}"
    texts = fetched_package(cache_dir, package) / "usr/share/doc" / package
    sounds = fetched_package(cache_dir, f"{package}-wav") / "usr/share/asterisk/sounds"
    voice = _first(sounds, f"{language}_*")
    packed = _first(texts, f"core-sounds-{language}.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8-sig").splitlines()
    matches = (re.match(r"([^;:\s]+):(.+)", line) for line in lines)
    for name, text in ((match[1], match[2].strip()) for match in matches if match):
        path = voice / f"{name}.wav"
        unsuitable = f"{language}/{name}" in _MISMATCHED or NOT_VERBATIM.search(text)
        if len(text.split()) >= min_words and not unsuitable and path.is_file():
            yield ReferenceSpeech(path, language, text, f"{package}-wav/{name}")


def sentences(cache_dir: Path) -> Iterator[ReferenceSpeech]:
    """Yields the five English audiobook sentences."""
    package = "pocketsphinx-testdata"
    folder = fetched_package(cache_dir, package) / "usr/share/pocketsphinx/test/data/librivox"
    transcription = _first(folder, "transcription").read_text(encoding="utf-8")
    for text, name in re.findall(r"<s> (.+) </s> \((\S+)\)", transcription):
        yield ReferenceSpeech(folder / f"{name}.wav", "en", text, f"{package}/{name}")


def _first(folder: Path, pattern: str) -> Path:
    """Returns the first match in a folder of a package, or raises."""
    for match in sorted(folder.glob(pattern)):
        return match
    raise SpeechUnavailableError(f"A fetched package has no {pattern} under {folder}.")


def _seconds(path: Path) -> float:
    """Returns the duration of a wave file in seconds."""
    with wave.open(str(path), "rb") as recording:
        return recording.getnframes() / recording.getframerate()


def fetched_package(cache_dir: Path, name: str) -> Path:
    """Returns the folder of an unpacked package; it is renamed into place when it is complete."""
    done = cache_dir / name
    if done.is_dir():
        return done
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache_dir) as temporary:
        work = Path(temporary)
        _command(["apt-get", "download", name], work)
        _command(["dpkg-deb", "-x", _first(work, "*.deb").name, "tree"], work)
        try:
            (work / "tree").rename(done)
        except OSError:
            if not done.is_dir():  # otherwise another process was faster
                raise
    return done


def _command(command: list[str], folder: Path) -> None:
    """Runs a command in a folder, or raises with its last line of output as the reason."""
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=TIMEOUT)
    except OSError:
        raise SpeechUnavailableError(f"This machine cannot run {command[0]}.") from None
    except subprocess.TimeoutExpired:
        raise SpeechUnavailableError(f"{command[0]} took over {TIMEOUT:.0f} s.") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise SpeechUnavailableError(f"{command[0]} failed: {last.rstrip('.')}.") from None
