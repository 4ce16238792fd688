"""Makes the sample archive: a few minutes of synthesised speech in many containers.

The archive beside this script is what the script wrote. Every sentence in it was written
for this purpose and is spoken by a speech synthesiser, so the exact words are known: each
recording of speech has them in a ``NAME.reference.txt`` beside it. A conversation in one
channel has a ``NAME.rttm``, which says who speaks when. There are also a
recording of silence, one of music, and one film whose file is cut short, and these have
no reference.

The script needs the Debian packages ``flite`` (English voices), ``espeak-ng`` (Spanish and
Italian voices) and ``ffmpeg``; it needs no Python package. With the same versions of these
three on the same kind of processor it writes the same bytes each time.

    python samples/make_archive.py            # writes samples/archive
    python samples/make_archive.py some/where
"""

from __future__ import annotations

import argparse
import array
import math
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

RATE = 16_000
"""Samples a second of everything before it is encoded."""

PAUSE_S = 0.45
"""Silence before the first sentence, between two sentences and after the last one."""

PEAK = 20_000
"""The loudest sample of every sentence, so that all voices are about as loud."""

TOOLS = ("flite", "espeak-ng", "ffmpeg")

WAV = ("-c:a", "pcm_s16le")
TELEPHONE = ("-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000", "-c:a", "pcm_mulaw")
FLAC = ("-c:a", "flac", "-compression_level", "12")
MP3 = ("-c:a", "libmp3lame", "-b:a", "32k")
VORBIS = ("-c:a", "libvorbis", "-q:a", "1")
OPUS = ("-c:a", "libopus", "-b:a", "20k")
AAC = ("-c:a", "aac", "-b:a", "40k")
H264 = ("-c:v", "libx264", "-crf", "38", "-pix_fmt", "yuv420p", *AAC)
VP8 = ("-c:v", "libvpx", "-b:v", "12k", *OPUS)


@dataclass(frozen=True)
class SampleRecording:
    """One recording of speech.

    Attributes:
        path: Where it lies in the archive.
        voices: Who speaks, as "ENGINE VOICE OPTIONS"; several take turns, each in a channel of its
            own.
        language: The language spoken.
        codec: The arguments for ffmpeg that choose how it is encoded.
        sentences: What is said.
        turns: Whose sentence each is, as numbers of ``voices``; in turn where none are named.
        is_mixed: Whether all share one channel; then a file beside it says who speaks when.
    """

    path: str
    voices: tuple[str, ...]
    language: str
    codec: tuple[str, ...]
    sentences: tuple[str, ...]
    turns: tuple[int, ...] = ()
    is_mixed: bool = False

    @property
    def is_film(self) -> bool:
        """Whether there is a picture."""
        return "-c:v" in self.codec

    def speaker(self, number: int) -> int:
        """Whose sentence it is.

        Args:
            number: Of the sentence, from 0.

        Returns:
            The number of the voice, from 0.
        """
        return self.turns[number] if self.turns else number % len(self.voices)


RECORDINGS = (
    SampleRecording(
        "opening_of_the_library.wav",
        ("flite rms",),
        "en",
        WAV,
        (
            "Good evening, ladies and gentlemen.",
            "Tonight we are opening the doors of the new library.",
            "I want to thank everyone who gave us their books and their time.",
        ),
    ),
    SampleRecording(
        "message_to_the_archive.opus",
        ("flite slt",),
        "en",
        OPUS,
        (
            "This is a short message for the people who will listen to these tapes one day.",
            "We kept everything we could find.",
            "Please take good care of it, and tell your children what you heard.",
        ),
    ),
    SampleRecording(
        "interviews/the_lighthouse.mp3",
        ("flite rms",),
        "en",
        MP3,
        (
            "I was born in a small white house beside the sea.",
            "My father kept the lighthouse, and his father kept it before him.",
            "Every evening he climbed the stairs and lit the lamp.",
            "When I was a little boy, I was allowed to carry the oil.",
            "In the winter the wind was so strong that we could not open the door.",
            "Sometimes we did not see another person for a whole month.",
            "My mother taught us how to read, because the school was too far away.",
            "She had a box full of old books, and we read every one of them.",
            "One night there was a terrible storm, and a ship came too close to the rocks.",
            "My father ran down to the beach with a rope and a lantern.",
            "He pulled the men out of the water, one after the other.",
            "They slept in our kitchen, and my mother made soup for everybody.",
            "The captain came back the next summer with his wife.",
            "He brought a clock, and that clock is still on my wall today.",
            "Then the machines came, and nobody had to climb the stairs again.",
            "I understand why they did it, but I miss the light.",
        ),
    ),
    SampleRecording(
        "interviews/two_neighbours.m4a",
        ("flite slt", "flite rms"),
        "en",
        AAC,
        (
            "How long have you lived in this street?",
            "I have lived here all my life, and so has my sister.",
            "What did the street look like when you were young?",
            "There were no cars at all, and the children played in the middle of the road.",
            "Do you remember the bakery on the corner?",
            "Of course I do, we could smell the bread every morning.",
        ),
    ),
    SampleRecording(
        "interviews/round_table.mp3",
        ("flite slt", "flite rms", "flite awb"),
        "en",
        MP3,
        (
            "Welcome to the museum, and thank you both for coming.",
            "We want to talk about the old ferry tonight.",
            "You worked on the ferry for thirty years, is that right?",
            "Yes, I started in the kitchen when I was sixteen.",
            "Later I sold the tickets, and in the end I was the captain.",
            "My family took the ferry every Saturday to go to the market.",
            "We children always stood at the front, even in the rain.",
            "I remember that, and sometimes you fed the birds with our bread.",
            "What happened when the new bridge was built?",
            "People were happy about the bridge, but the river became very quiet.",
            "On the last day the whole village came down to the water.",
            "Many of us were crying, and the captain rang the bell three times.",
            "That bell is here in the museum now.",
            "I visit it every year, and I bring my grandchildren with me.",
            "Would you like to ring it once more for us?",
            "With the greatest pleasure.",
        ),
        turns=(0, 0, 0, 1, 1, 2, 2, 1, 0, 1, 1, 2, 0, 2, 0, 1),
        is_mixed=True,
    ),
    SampleRecording(
        "interviews/telephone_call.wav",
        ("flite slt",),
        "en",
        TELEPHONE,
        (
            "Hello, I am calling about the photographs you showed on television.",
            "The woman in the second picture is my grandmother.",
            "She worked in the hospital during the war.",
            "I would be very happy to talk to you about her.",
        ),
    ),
    SampleRecording(
        "radio/harvest_report.flac",
        ("flite awb",),
        "en",
        FLAC,
        (
            "The farmers in the north of the country have had a very good summer.",
            "There was enough rain in the spring, and the apples are large and sweet.",
            "The price of bread will not go up this year.",
        ),
    ),
    SampleRecording(
        "radio/bulletins/morning_news.ogg",
        ("flite slt",),
        "en",
        VORBIS,
        (
            "Good morning, and welcome to the news.",
            "The bridge across the river is open again after three weeks of repairs.",
            "The first train crossed it early this morning.",
            "The government has promised to build a new hospital in the city.",
            "The teachers have returned to work, and the children are back in their classrooms.",
        ),
    ),
    SampleRecording(
        "radio/bulletins/weather_forecast.opus",
        ("flite kal16",),
        "en",
        OPUS,
        (
            "And now the weather.",
            "It will be cold and dry in the morning, with some clouds in the west.",
            "In the afternoon there will be heavy rain along the coast.",
            "Tomorrow will be warm and sunny.",
        ),
    ),
    SampleRecording(
        "radio/bulletins/notizie_della_sera.mp3",
        ("espeak-ng it+m3 -s 135",),
        "it",
        MP3,
        (
            "Il ministro ha incontrato gli studenti.",
            "Il prezzo del pane è molto alto.",
            "Il museo resta aperto tutta la settimana.",
            "Gli studenti sono tornati a scuola.",
            "Stasera presentiamo un concerto di musica classica.",
        ),
    ),
    SampleRecording(
        "oral_history/Entrevista número 3.ogg",
        ("espeak-ng es+m3 -s 150",),
        "es",
        OPUS,
        (
            "La casa era pequeña, pero siempre había música.",
            "Mi padre tocaba la guitarra por la noche.",
            "Mi madre cantaba mientras preparaba la comida.",
            "Cuando era niño no teníamos televisión.",
            "No teníamos mucho dinero, pero nunca faltaba el pan.",
        ),
    ),
    SampleRecording(
        "oral_history/la_escuela.mp3",
        ("espeak-ng es-419+m3 -s 150",),
        "es",
        MP3,
        (
            "La escuela estaba muy lejos de mi casa.",
            "El maestro era un hombre bueno y tenía mucha paciencia.",
            "El invierno era muy largo y muy frío.",
            "En el verano íbamos todos a la playa.",
        ),
    ),
    SampleRecording(
        "oral_history/una_piccola_città.flac",
        ("espeak-ng it+m3 -s 135",),
        "it",
        FLAC,
        (
            "Questa è la storia della mia famiglia.",
            "Sono nato in una piccola città del sud.",
            "Il mercato era molto grande.",
            "Il medico del paese era un amico di mio padre.",
            "La musica era molto importante per noi.",
            "Oggi la città è molto diversa.",
        ),
    ),
    SampleRecording(
        "film/newsreel.mp4",
        ("flite awb",),
        "en",
        H264,
        (
            "Thousands of people came to the station to welcome the team.",
            "The players waved from the windows of the train.",
            "The mayor gave each of them a gold watch.",
            "It was a happy day for the whole town.",
        ),
    ),
    SampleRecording(
        "film/family_picnic.mkv",
        ("flite slt",),
        "en",
        VP8,
        (
            "This film was made by my uncle on a Sunday in the summer.",
            "You can see my mother under the tree, with my brother on her knees.",
            "The dog ran away with the bread, and my father ran after him.",
        ),
    ),
)

SILENCE = ("radio/blank_tape.flac", FLAC, 12.0)

MUSIC = ("radio/interval_signal.ogg", VORBIS)
MELODY = "C4 E4 G4 C5 G4 E4 F4 A4 C5 A4 G4 E4 D4 F4 E4 D4 C4 G4 E4 C4".split()

BROKEN = ("film/unfinished_copy.mp4", "film/newsreel.mp4", 8_000)
"""The broken film, the film it is the beginning of, and how many bytes of it there are."""


def run(*command: str, text: str | None = None) -> None:
    """Runs a program and shows what it wrote only where it fails.

    Args:
        *command: The program and its arguments.
        text: What it reads from standard input.

    Raises:
        RuntimeError: The program failed.
    """
    done = subprocess.run(
        command,
        input=(text or "").encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout.decode(errors='replace')}")


def read_samples(path: Path) -> array.array[int]:
    """Reads a mono 16-bit WAV file.

    Args:
        path: The file.

    Returns:
        Its samples.
    """
    with wave.open(str(path), "rb") as file:
        return array.array("h", file.readframes(file.getnframes()))


def write_samples(path: Path, channels: list[array.array[int]]) -> None:
    """Writes a 16-bit WAV file.

    Args:
        path: The file.
        channels: The samples of each channel, equally many.
    """
    frames = array.array("h", bytes(2 * sum(map(len, channels))))
    for number, channel in enumerate(channels):
        frames[number :: len(channels)] = channel
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames.tobytes())


def silence(seconds: float) -> array.array[int]:
    """Makes digital silence.

    Args:
        seconds: How long it lasts.

    Returns:
        Its samples, all zero.
    """
    return array.array("h", bytes(2 * round(seconds * RATE)))


def speak(voice: str, sentence: str, folder: Path) -> array.array[int]:
    """Speaks one sentence.

    Args:
        voice: Who speaks, as "ENGINE VOICE OPTIONS".
        sentence: What is said.
        folder: A folder for files in between.

    Returns:
        The samples, as loud as those of every other voice.
    """
    spoken, level = folder / "spoken.wav", folder / "level.wav"
    engine, name, *options = voice.split()
    if engine == "flite":
        run("flite", "-voice", name, *options, "-t", sentence, "-o", str(spoken))
    else:
        how = ("-v", name, *options, "-b", "1", "--stdin", "-w", str(spoken))
        run("espeak-ng", *how, text=sentence)
    encode(spoken, level, ("-ar", str(RATE), *WAV))
    samples = read_samples(level)
    gain = PEAK / max(map(abs, samples))
    return array.array("h", (round(gain * sample) for sample in samples))


def converse(
    recording: SampleRecording, folder: Path
) -> tuple[list[array.array[int]], list[tuple[int, float, float]]]:
    """Speaks the sentences of a recording.

    Args:
        recording: The recording.
        folder: A folder for files in between.

    Returns:
        The samples of each channel, one for each voice or one for all; and for each sentence
        whose it is, where it begins and how long it lasts, in seconds.
    """
    channels = [silence(PAUSE_S) for _ in recording.voices[: 1 if recording.is_mixed else None]]
    turns = []
    for number, sentence in enumerate(recording.sentences):
        speaker = recording.speaker(number)
        samples = speak(recording.voices[speaker], sentence, folder)
        turns.append((speaker, len(channels[0]) / RATE, len(samples) / RATE))
        for who, channel in enumerate(channels):
            is_heard = recording.is_mixed or who == speaker
            channel.extend(samples if is_heard else silence(len(samples) / RATE))
            channel.extend(silence(PAUSE_S))
    return channels, turns


def write_turns(path: Path, turns: list[tuple[int, float, float]]) -> None:
    """Writes who speaks when, in the format RTTM of the speech recognition evaluations.

    Args:
        path: The file.
        turns: The number of the voice, begin and length in seconds, of each sentence.
    """
    name = path.stem
    lines = [
        f"SPEAKER {name} 1 {start_s:.3f} {length_s:.3f} <NA> <NA> voice{speaker} <NA> <NA>\n"
        for speaker, start_s, length_s in turns
    ]
    path.write_text("".join(lines), encoding="utf-8")


def play(notes: list[str], seconds: float = 0.6) -> array.array[int]:
    """Plays a melody, each note a sine with a softer octave above it, fading like a bell.

    Args:
        notes: The notes, such as "A4".
        seconds: How long each lasts.

    Returns:
        The samples.
    """
    samples = array.array("h")
    length = round(seconds * RATE)
    for note in notes:
        halftones = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0}[note[0]]
        turn = 2 * math.pi * 440 * 2 ** (halftones / 12 + int(note[1]) - 4) / RATE
        for step in range(length):
            loud = 9_000 * min(1, step / 160) * math.exp(-4 * step / length)
            loud *= min(1, (length - step) / 160)
            samples.append(round(loud * (math.sin(turn * step) + math.sin(2 * turn * step) / 3)))
    return samples


def encode(source: Path, target: Path, codec: tuple[str, ...], film: bool = False) -> None:
    """Encodes a WAV file, leaving out all that would differ from one run to the next.

    Args:
        source: The WAV file.
        target: The file to write; the ending of its name chooses the container.
        codec: The arguments for ffmpeg that choose the codec.
        film: Whether to add a moving test pattern.
    """
    picture: tuple[str, ...] = ()
    if film:
        seconds = len(read_samples(source)) / RATE
        picture = ("-f", "lavfi", "-i", f"testsrc=size=160x120:rate=5:duration={seconds}")
    exact = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1")
    run("ffmpeg", "-v", "error", "-y", "-i", str(source), *picture, *codec, *exact, str(target))


def make_archive(archive: Path) -> None:
    """Makes the archive.

    Args:
        archive: Its folder; files of the same names are written anew.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.wav"
        for recording in RECORDINGS:
            target = archive / recording.path
            target.parent.mkdir(parents=True, exist_ok=True)
            channels, turns = converse(recording, folder)
            write_samples(source, channels)
            encode(source, target, recording.codec, recording.is_film)
            said = "\n".join(recording.sentences) + "\n"
            target.with_suffix(".reference.txt").write_text(said, encoding="utf-8")
            if recording.is_mixed:
                write_turns(target.with_suffix(".rttm"), turns)

        path, codec, seconds = SILENCE
        write_samples(source, [silence(seconds)])
        encode(source, archive / path, codec)

        path, codec = MUSIC
        write_samples(source, [play(MELODY)])
        encode(source, archive / path, codec)

    path, whole, size = BROKEN
    # The index of an MP4 file comes last, so that the beginning alone cannot be played.
    (archive / path).write_bytes((archive / whole).read_bytes()[:size])


def main() -> int:
    """Makes the archive in the folder named on the command line.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Makes the sample archive.")
    beside = Path(__file__).resolve().parent / "archive"
    parser.add_argument("archive", nargs="?", type=Path, default=beside)
    arguments = parser.parse_args()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        print(f"install these Debian packages first: {' '.join(missing)}", file=sys.stderr)
        return 1
    make_archive(arguments.archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
