"""Options: which belong to which recording, and the one sentence for those that cannot work."""

import dataclasses
import json
import os
import pickle
import tempfile
from collections.abc import Collection
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import job, op
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.cli.app import main
from opentr_pipeline.defs.resources import RUN_VARIABLES, Transcription, transcription_resource
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.errors import ModelError, OpentrError
from opentr_pipeline.planning.option_files import FOLDER_KEYS, MAX_FILE_BYTES
from opentr_pipeline.planning.options import ArchiveOptions, archive_options
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper.tokens import MAX_PROMPT_TOKENS
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline_tests.making import (
    OPTIONS,
    OTHER_OPTIONS,
    PROPERTY_ON_DISK,
    recording,
    settings_of,
    wav,
)

FOLDERS = ("radio/bulletins", "radio/plays", "radio2", "film")


class Case:
    """An archive of empty folders, and a model to whom a word is a token."""

    def __init__(self, folder: Path) -> None:
        self.archive = folder / "archive"
        self.file = self.archive / "opentr.toml"
        for name in FOLDERS:
            (self.archive / name).mkdir(parents=True)
        self.model = word_model(folder / "model")

    def options(
        self,
        text: str | None = None,
        model: str = "base",
        typed: Collection[str] = (),
        **variables: object,
    ) -> ArchiveOptions:
        if text is not None:
            self.file.write_text(text, encoding="utf-8")
        settings = settings_of(variables, ARCHIVE_DIR=self.archive)
        named = dataclasses.replace(self.model, name=model)
        return archive_options(settings, named, [WorkerSlot(CPU, 0)], typed)

    def refusal(self, text: str | None = None, **variables: object) -> str:
        with pytest.raises(OpentrError) as caught:
            self.options(text, **variables)  # type: ignore[arg-type]
        said = str(caught.value)
        assert "\n" not in said
        assert said.endswith((".", "?"))
        return said


def word_model(folder: Path) -> Model:
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name in ("config.json", "model.bin"):
        (folder / name).touch()
    return Model("base", folder, "f" * 64)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_without_a_file_all_recordings_have_the_settings_options(case: Case) -> None:
    options = case.options(WHISPER_LANGUAGE="es", WHISPER_HOTWORDS=" Ferrara,Po ,Ferrara,, ")
    assert options.default.language == "es"
    assert options.default.hotwords == "Ferrara, Po"
    assert options.of("radio/bulletins/a.wav") is options.of("a.wav") is options.default


def test_the_deepest_folder_wins_for_each_key(case: Case) -> None:
    options = case.options(
        """
        ["radio/bulletins"]
        language = "it"
        [radio]
        language = "fr"
        audio_channels = "split"
        audio_stream = 1
        """,
        WHISPER_LANGUAGE="es",
        WHISPER_INITIAL_PROMPT="Good evening.",
    )
    said = {
        path: (one.language, one.audio_channels, one.audio_stream, one.initial_prompt)
        for path in ("a.wav", "radio/a.wav", "radio/bulletins/a/b.wav", "radio2/a.wav")
        for one in [options.of(path)]
    }
    assert said == {
        "a.wav": ("es", "mix", "auto", "Good evening."),
        "radio/a.wav": ("fr", "split", "1", "Good evening."),
        "radio/bulletins/a/b.wav": ("it", "split", "1", "Good evening."),
        "radio2/a.wav": ("es", "mix", "auto", "Good evening."),
    }


PLACES = ("x", "x/y", "x/y/z", "x/yy", "xx")
VALUES = {"language": ("en", "it", "auto"), "audio_stream": ("0", "3"), "hotwords": ("", "Po")}
TABLES = st.dictionaries(
    st.sampled_from(PLACES),
    st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in VALUES.items()}),
)


@PROPERTY_ON_DISK
@given(TABLES, st.sets(st.sampled_from(sorted(VALUES))))
def test_a_recording_has_what_the_nearest_folder_says(
    tables: dict[str, dict[str, str]], typed: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = Case(Path(folder))
        for place in PLACES:
            (case.archive / place).mkdir(parents=True, exist_ok=True)
        text = ""
        for place, table in tables.items():
            text += f"[{json.dumps(place)}]\n"
            text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        options = case.options(text, typed={FOLDER_KEYS[key] for key in typed})
    for place in PLACES:
        parts = place.split("/")
        above = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        for key in VALUES:
            usual = getattr(options.default, key)
            said = [tables[one][key] for one in above if key in tables.get(one, {})]
            wanted = usual if key in typed or not said else said[0]
            assert getattr(options.of(f"{place}/a.wav"), key) == wanted


def test_a_value_typed_for_one_run_wins_over_the_folders(case: Case) -> None:
    text = '[film]\nlanguage = "it"\ntask = "translate"\n'
    typed = case.options(text, typed={"whisper_language"}, WHISPER_LANGUAGE="es").of("film/a.wav")
    assert (typed.language, typed.task) == ("es", "translate")


@pytest.mark.parametrize("typed", [4, "4", "auto"])
def test_the_launchpad_takes_numbers_without_quotation_marks(typed: int | str) -> None:
    """Where a word is possible as well."""
    seen: list[str] = []

    @op
    def look(transcription: Transcription) -> None:
        seen.append(transcription.settings(settings_of()).whisper_batch_size)

    @job(resource_defs={"transcription": transcription_resource(settings_of())})
    def launched() -> None:
        look()

    config = {"transcription": {"config": {"whisper_batch_size": typed}}}
    launched.execute_in_process({"resources": config})
    assert seen == [str(typed)]


def test_the_launchpad_says_what_was_typed() -> None:
    usual = transcription_resource(settings_of(WHISPER_LANGUAGE="it", WHISPER_HOTWORDS="Po"))
    assert usual.typed() == set()
    seen: list[set[str]] = []

    @op
    def look(transcription: Transcription) -> None:
        seen.append(transcription.typed())

    @job(resource_defs={"transcription": usual})
    def launched() -> None:
        look()

    chosen = {"whisper_language": "es", "whisper_hotwords": "", "whisper_task": "transcribe"}
    launched.execute_in_process({"resources": {"transcription": {"config": chosen}}})
    launched.execute_in_process()
    assert seen == [{"whisper_language", "whisper_hotwords"}, set()]
    assert set(FOLDER_KEYS.values()) <= {*RUN_VARIABLES, "speakers"}  # which change no words


def test_options_survive_the_way_to_a_step(case: Case) -> None:
    options = case.options('[film]\nlanguage = "it"\n')
    assert pickle.loads(pickle.dumps(options)) == options
    one = recording("film/a.wav")
    assert options.content(one) == (
        one.media_fingerprint,
        options.of("film/b.wav").settings_fingerprint,
    )


def test_the_same_options_by_another_way_are_the_same(case: Case) -> None:
    options = case.options('[film]\nlanguage = "it"\nhotwords = "Po"\n[radio]\n')
    assert options.of("radio/a.wav") == options.default
    other = case.options("", WHISPER_LANGUAGE="it", WHISPER_HOTWORDS="Po")
    assert options.of("film/a.wav").settings_fingerprint == other.default.settings_fingerprint


# ``max_duration_s`` is where a recording is too long alone, see the last test.
OUTSIDE_THE_FINGERPRINT = {"model", "max_duration_s"}


@pytest.mark.parametrize(
    "name", sorted({f.name for f in dataclasses.fields(OPTIONS)} - OUTSIDE_THE_FINGERPRINT)
)
def test_every_option_is_in_the_fingerprint(name: str) -> None:
    value = getattr(OPTIONS, name)
    changed = dataclasses.replace(OPTIONS, **{name: value + type(value)(1)})
    assert changed.settings_fingerprint != OPTIONS.settings_fingerprint
    assert OTHER_OPTIONS.settings_fingerprint != OPTIONS.settings_fingerprint


def test_a_vocabulary_is_its_terms(case: Case, tmp_path: Path) -> None:
    for name in ("terms.txt", "copy.txt"):
        (tmp_path / name).write_text(
            "# people\nFerrara\n\n  C#  # a language\nSmith, John\r\nFerrara\n",
            encoding="utf-8-sig",
        )
    one, two = (
        case.options(WHISPER_HOTWORDS="Po", WHISPER_VOCABULARY_FILE=tmp_path / name).default
        for name in ("terms.txt", "copy.txt")
    )
    assert one.hotwords == "Po, Ferrara, C#, Smith, John"
    assert one.settings_fingerprint == two.settings_fingerprint
    (tmp_path / "copy.txt").write_text("Ferrara")
    changed = case.options(WHISPER_VOCABULARY_FILE=tmp_path / "copy.txt").default
    assert changed.settings_fingerprint != one.settings_fingerprint


def test_options_are_in_files_that_are_what_they_seem(case: Case, tmp_path: Path) -> None:
    """A pipe would have us wait; a link would choose what else of ours is read."""
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    vocabulary = case.archive / "terms.txt"
    for make, said in (
        (os.mkfifo, "no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path: path.symlink_to(tmp_path / "secret.txt"), "leaves the archive"),
    ):
        make(vocabulary)
        assert said in case.refusal('[film]\nvocabulary_file = "terms.txt"')
        case.file.unlink()
        make(case.file)
        assert said in case.refusal(None)
        case.file.unlink()
        vocabulary.unlink()
    vocabulary.symlink_to("radio/more.txt")
    (case.archive / "radio/more.txt").write_text("Po\n", encoding="utf-8")
    named = case.options('[film]\nvocabulary_file = "terms.txt"').of("film/1.wav")
    assert named.hotwords == "Po"


def test_a_file_in_the_archive_names_vocabularies_in_it_alone(case: Case, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("Po", encoding="utf-8")
    for said in (str(tmp_path / "secret.txt"), "../secret.txt"):
        text = f'[film]\nvocabulary_file = "{said}"'
        assert "may name those in it alone" in case.refusal(text)
    elsewhere = tmp_path / "options.toml"
    elsewhere.write_text('[film]\nvocabulary_file = "secret.txt"', encoding="utf-8")
    found = case.options(FOLDER_OPTIONS_FILE=str(elsewhere))
    assert found.of("film/1.wav").hotwords == "Po"


def test_a_folders_vocabulary_lies_beside_the_file(case: Case) -> None:
    (case.archive / "radio" / "terms.txt").write_text("Montebello")
    options = case.options(
        '[radio]\nhotwords = "Po"\nvocabulary_file = "radio/terms.txt"\n'
        '["radio/plays"]\nvocabulary_file = ""\n'
    )
    assert options.of("radio/a.wav").hotwords == "Po, Montebello"
    assert options.of("radio/plays/a.wav").hotwords == "Po"


def test_a_vocabulary_that_cannot_be_used(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    named = f"WHISPER_VOCABULARY_FILE={path}"
    assert case.refusal(WHISPER_VOCABULARY_FILE=path) == (
        f"{named} cannot be read (No such file or directory); name a text file that is there."
    )
    path.write_bytes("città".encode("latin-1"))
    assert case.refusal(WHISPER_VOCABULARY_FILE=path) == (
        f"{named} is not UTF-8 text; save it as UTF-8."
    )
    path.write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    assert f"{named} is larger than" in case.refusal(WHISPER_VOCABULARY_FILE=path)
    assert case.refusal(f'[film]\nvocabulary_file = "{path.name}"') == (
        f"vocabulary_file = '{case.archive / path.name}' of the folder 'film' in {case.file} "
        "cannot be read (No such file or directory); name a text file that is there."
    )


def test_more_than_the_model_takes_is_refused_and_never_cut(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    path.write_text("\n".join(f"term{number}" for number in range(MAX_PROMPT_TOKENS - 2)))
    variables = {"WHISPER_VOCABULARY_FILE": path, "WHISPER_INITIAL_PROMPT": "Good evening."}
    assert case.options(**variables).default.hotwords.endswith(f"term{MAX_PROMPT_TOKENS - 3}")
    assert case.refusal(**variables, WHISPER_HOTWORDS="Po") == (
        f"WHISPER_INITIAL_PROMPT and WHISPER_HOTWORDS have {MAX_PROMPT_TOKENS + 1} tokens, "
        f"vocabulary included, and the model base takes {MAX_PROMPT_TOKENS}, some 700 letters; "
        "keep the terms that matter most."
    )
    said = case.refusal('[film]\nhotwords = "Po"', **variables)
    assert said.startswith(f"initial_prompt and hotwords of the folder 'film' in {case.file} have")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[film]\nlanguge = "it"', "languge of the folder 'film' is not an option; did you mean"),
        (
            "[film]\nbeam = 5",
            "beam of the folder 'film' is not an option; known are language, task",
        ),
        (
            '[film]\nlanguage = "italian"',
            "language of the folder 'film' must be auto, each_window or a language code that "
            "Whisper knows, such as en, es or ja, got 'italian'.",
        ),
        ("[film]\nlanguage = 5", "language of the folder 'film' must be auto, each_window or"),
        ('[film]\ntask = "sum"', "must be one of transcribe, translate, got 'sum'."),
        ("[film]\naudio_stream = -1", "must be auto or the number of an audio stream, 0..99, got"),
        ("[film]\naudio_stream = true", "must be text, got True."),
        ('[film]\naudio_channels = "left"', "must be one of mix, split, got 'left'."),
        ('[film]\nhotwords = ["Po"]', "hotwords of the folder 'film' must be text, got ['Po']."),
        ('[film]\nvocabulary_file = "a\\u0000"', "must be a path, which has no zero byte"),
        ('[flim]\nlanguage = "it"', "'flim' is not a folder of the archive"),
        ("[flim]", "did you mean 'film'?"),
        ('["radio/buletins"]', "did you mean 'radio/bulletins'?"),
        ('["/film"]', "did you mean 'film'?"),
        ('["film/"]', "'film/' is not a folder of the archive"),
        ('["."]', "'.' is not a folder of the archive"),
        ('[""]', "'' is not a folder of the archive"),
        ('["film/../radio"]', "'film/../radio' is not a folder of the archive"),
        ('["a\\u0000"]', "is not a folder of the archive"),
        ('["nothing like it"]', "write its path from there, / between."),
        ('["radio/bulletins/a.wav"]', "'radio/bulletins/a.wav' is not a folder of the archive"),
        ('[linked]\nlanguage = "it"', "'linked' is not a folder of the archive"),
        ("[radio.bulletins]", 'write a folder in a folder as ["radio/bulletins"].'),
        ('language = "it"', "language = 'it' stands outside of a folder's table; put it below"),
        ("[radio/bulletins]", "is not valid TOML: "),
        ("[film]\nlanguage = it", "is not valid TOML: "),
        ("[film]\n[film]", "is not valid TOML: "),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(case: Case, text: str, said: str) -> None:
    wav(case.archive / "radio/bulletins/a.wav")
    (case.archive / "linked").symlink_to("film")
    refusal = case.refusal(text)
    assert refusal.startswith(str(case.file))
    assert said in refusal


def test_a_file_that_cannot_be_read(case: Case, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    said = case.refusal(FOLDER_OPTIONS_FILE=missing)
    assert said.startswith(f"FOLDER_OPTIONS_FILE={missing} cannot be read (No such file")
    case.file.write_bytes(b'[film]\nhotwords = "citt\xe0"')
    assert case.refusal() == f"FOLDER_OPTIONS_FILE={case.file} is not UTF-8 text; save it as UTF-8."
    case.file.unlink()
    case.file.symlink_to("nowhere")
    assert "cannot be read" in case.refusal()


def test_the_file_may_be_elsewhere(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b'\xef\xbb\xbf[film]\nlanguage = "it"\n')
    options = case.options('[film]\nlanguage = "fr"\n', FOLDER_OPTIONS_FILE=file)
    assert options.of("film/a.wav").language == "it"


@pytest.mark.parametrize("language", ["it", "each_window"])
def test_an_english_model_is_refused_for_a_folder_of_another_language(
    case: Case, language: str
) -> None:
    said = case.refusal(f'[film]\nlanguage = "{language}"', model="base.en")
    assert said == (
        f"The model base.en knows English only, but language = '{language}' of the folder 'film' "
        f"in {case.file} is asked for; set WHISPER_MODEL=base or the language en."
    )
    assert case.options('[film]\nlanguage = "en"', model="base.en").of("film/a").language == "en"


def test_a_model_that_cannot_translate_is_refused_for_a_folder(case: Case) -> None:
    said = case.refusal('[film]\ntask = "translate"', model="large-v3-turbo")
    assert said == (
        f"The model large-v3-turbo cannot translate, but task = 'translate' of the folder 'film' "
        f"in {case.file} is asked for; set WHISPER_MODEL=large-v3 or the task transcribe."
    )
    with pytest.raises(ModelError, match="but WHISPER_TASK=translate is asked for"):
        case.options("", model="large-v3-turbo", WHISPER_TASK="translate")


def test_a_scan_leaves_the_options_alone(case: Case) -> None:
    case.options('[film]\nlanguage = "it"')
    found = scan(case.archive)
    assert (found.media_files, dict(found.left_alone)) == ([], {".toml": 1})


@pytest.mark.parametrize("command", [["run"], ["retry-failed"], ["status"]])
def test_commands_refuse_a_mistake_before_anything_starts(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    defaults = {name.upper(): str(field.default) for name, field in Settings.model_fields.items()}
    chosen = {"WHISPER_MODEL": case.model.folder, "GPU_DEVICE_ID": "cpu"}
    folders = {"OUTPUT_DIR": tmp_path / "output", "OPENTR_HOME": tmp_path / "state"}
    for name, value in {**defaults, **chosen, **folders}.items():
        monkeypatch.setenv(name, str(value))
    case.file.write_text('[film]\nlanguge = "it"')
    (case.archive / "a.wav").touch()
    result = CliRunner().invoke(main, [*command, str(case.archive)])
    assert result.exit_code == 2
    assert result.output == (
        f"opentr: {case.file}: languge of the folder 'film' is not an option; did you mean "
        "language?\n"
    )
    assert not (tmp_path / "output").exists()
    assert not (tmp_path / "state").exists()


def test_the_longest_duration_matters_to_longer_recordings_alone(case: Case) -> None:
    """To raise it makes these stale, and nothing else."""

    def contents(most_s: int) -> dict[float | None, object]:
        options = case.options(MAX_DURATION_S=most_s)
        lengths_s = (None, 2.0, 50_000.0, 700_000.0)
        found = {}
        for duration_s in lengths_s:
            one = dataclasses.replace(recording("film/1.wav"), probe=Probe(duration_s=duration_s))
            assert options.wanted(one).max_duration_s == most_s
            found[duration_s] = options.content(one)
        return found

    few, usual, many = contents(3600), contents(604_800), contents(2_000_000)
    assert len(set(usual.values())) == 2
    changed = {length_s for length_s in usual if usual[length_s] != many[length_s]}
    assert changed == {700_000.0}
    assert {length_s for length_s in usual if few[length_s] != many[length_s]} == {
        *(50_000.0, 700_000.0)
    }
