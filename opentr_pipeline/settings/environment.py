"""The only reader of the environment: every variable with its default, range and meaning.

``.env.example`` is printed from here (see ``env_example``), and a test keeps the two equal.
Precedence: the process environment, then ``.env`` where it is called, then the default.
"""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import Place, bucket_address
from opentr_pipeline.settings.cluster import ClusterSettings
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.settings.installation import call_folder, example_file, stock, usual_home
from opentr_pipeline.settings.nights import NightSettings
from opentr_pipeline.settings.page import PageSettings
from opentr_pipeline.settings.place_names import PlaceSettings
from opentr_pipeline.settings.sound import SoundSettings
from opentr_pipeline.settings.speakers import SpeakerSettings
from opentr_pipeline.settings.values import (
    COMPUTE_TYPES,
    MAX_WORKERS,
    BatchSize,
    DeviceId,
    DeviceList,
    Language,
    Memory,
    PagesUrl,
    PathText,
    PrometheusFile,
    Terms,
    Text,
    YesNo,
    allowed,
    read_env_file,
)
from opentr_pipeline.settings.workspace import Workspace, archive_slug

ENV_FILE = Path(".env")
# Names of before, which old files hold: the value counts where the new name has none.
RENAMED = {"STATE_DIR": "OPENTR_HOME"}


class Settings(
    PlaceSettings,
    ClusterSettings,
    SoundSettings,
    SpeakerSettings,
    SubtitleSettings,
    NightSettings,
    PageSettings,
):
    """What a person may set, checked; the field name in capitals is the variable.

    Raises:
        SettingsError: from ``load_settings``, one sentence for the first value refused.
    """

    partition_by: Literal["folder", "day", "month", "hash"] = Field(
        "folder",
        description="What makes a partition: folders, the modified time (UTC), or a hash of the "
        "path.",
    )
    partition_depth: int = Field(
        1, ge=1, le=8, description="How many levels of folders name a partition (folder)."
    )
    partition_count: int = Field(
        256, ge=1, le=10_000, description="How many partitions there are (hash)."
    )
    whisper_model: str = Field(
        "auto",
        description="A faster-whisper name, a hub id (owner/name) or a directory. auto: "
        "large-v3-turbo on a card that can hold it, base on a CPU.",
    )
    whisper_compute_type: Literal[COMPUTE_TYPES] = Field(  # type: ignore[valid-type]
        "auto",
        description="Arithmetic. auto: what is fastest on all devices that have worker slots: int8 "
        "on a CPU, int8_float16 on a card from compute capability 7.5 on.",
    )
    whisper_beam_size: int = Field(
        5, ge=1, le=20, description="Hypotheses kept while decoding; 1 is greedy."
    )
    whisper_batch_size: BatchSize = Field(
        "auto",
        description="Windows decoded together, 1..128; more costs memory. auto: 6 on a CPU; on a "
        "card as many as make it faster and have room (opentr plan shows both).",
    )
    whisper_language: Language = Field(
        "auto",
        description="The language spoken, such as en. auto: detected, for some minutes at a time. "
        "each_window: detected for some ten seconds at a time, for recordings that switch often.",
    )
    whisper_task: Literal["transcribe", "translate"] = Field(
        "transcribe", description="translate writes English, whatever is spoken."
    )
    whisper_initial_prompt: Text = Field(
        "",
        description="Text that the model is to believe came before, in the recording's language; "
        "it sets spelling and style. Prompt, hotwords and vocabulary together: at most 223 of the "
        "model's tokens, some 700 letters.",
    )
    whisper_hotwords: Terms = Field(
        "", description="Names and terms to expect, separated by commas."
    )
    whisper_vocabulary_file: PathText = Field(
        "",
        description="A text file of more such terms, UTF-8, one per line; # begins a comment.",
    )
    folder_options_file: PathText = Field(
        "auto",
        description="A TOML file with options of their own for folders of the archive: a table for "
        'each, such as ["radio/bulletins"] with language = "it". auto: opentr.toml at the '
        "archive's root, else where .env is read, where there is one.",
    )
    shard_audio_s: int = Field(
        3600,
        ge=10,
        le=36_000,
        description="Seconds of audio that one step transcribes; a waiting run gets its turn "
        "after that.",
    )
    run_max_audio_s: int = Field(
        86_400, ge=60, description="Seconds of audio in one run that we launch ourselves."
    )
    upload_settle_s: int = Field(
        60,
        ge=1,
        le=86_400,
        description="Seconds that size and time of a new file must stay the same before it is "
        "taken; longer where uploads pause.",
    )
    gpu_device_id: DeviceId = Field(
        "auto",
        description="The device of the default worker. auto: the first card, else the CPU.",
    )
    gpu_scale_enabled: YesNo = Field(
        False, description="Several worker slots on GPU_SCALE_DEVICE_ID instead of one."
    )
    gpu_scale_device_id: DeviceList = Field(
        "0",
        description="The card to scale on, by its UUID or its number in nvidia-smi, a list of them "
        "(0,2), or cpu.",
    )
    gpu_scale_workers: int = Field(
        4, ge=1, le=MAX_WORKERS, description="Worker slots on each of those devices."
    )
    gpu_scale_default_worker: YesNo = Field(
        False, description="Keep the default worker on GPU_DEVICE_ID while scaling."
    )
    dagster_postgres_url: Text = Field(
        "",
        description="Keep Dagster's state in PostgreSQL, not in SQLite: "
        "postgresql://user:password@host/database. Needs the extra postgres.",
    )
    prometheus_file: PrometheusFile = Field(
        "",
        description="Where start dev keeps figures for Prometheus: a file in the folder that node "
        "exporter's textfile collector reads, one for each archive. Empty: nowhere.",
    )
    pages_url: PagesUrl = Field(
        "",
        description="Where a web server of yours shows the folder pages of OUTPUT_DIR, for links "
        "on Dagster's page: https://archive.example/pages. Empty: nowhere.",
    )
    dagster_port: int = Field(3000, ge=1, le=65_535, description="The page's port on 127.0.0.1.")
    postgres_password: Text = Field(
        "",
        description="Of the database of the production stack, which keeps the one that it was "
        "first started with. start prod asks for it.",
    )
    run_memory: Memory = Field(
        "16g",
        description="Memory that each run of the production stack may use, and its code location.",
    )

    @model_validator(mode="after")
    def _no_contradiction(self) -> "Settings":
        scaled = self.gpu_scale_device_id.split(",")
        both = self.gpu_scale_enabled and self.gpu_scale_default_worker
        if both and self.gpu_device_id in (*scaled, "auto"):
            raise ValueError(
                "GPU_SCALE_DEFAULT_WORKER=1 needs a device of its own, but "
                f"GPU_DEVICE_ID={self.gpu_device_id} may be the scaled one "
                f"(GPU_SCALE_DEVICE_ID={self.gpu_scale_device_id}); name another device."
            )
        return self

    @staticmethod
    def resolved(path: str) -> Path:
        """A path as an absolute one; a relative one starts where the program is called."""
        return call_folder() / Path(path).expanduser()

    @cached_property
    def workspace(self) -> Workspace:
        """Where everything of the archive is."""
        archive = bucket_address(self.archive_dir, self.s3_endpoint_url) or self._folder(
            self.archive_dir, lambda: stock("samples/archive")
        )
        home = self._folder(self.opentr_home, lambda: usual_home(os.environ.get("XDG_DATA_HOME")))
        slug = archive_slug(archive)
        bucket = bucket_address(self.output_dir, self.s3_endpoint_url)
        copy = bucket and home / "copies" / slug / archive_slug(bucket)
        usual = call_folder() / "output" / slug
        return Workspace(
            archive,
            copy or self._folder(self.output_dir, lambda: usual),
            home,
            self._folder(self.models_dir, lambda: home / "models"),
            self._folder(self.worker_slots_dir, lambda: Path(gettempdir(), "opentr-worker-slots")),
            self.dagster_postgres_url,
            bucket,
        )

    def _folder(self, said: str, usual: Callable[[], Path]) -> Path:
        return usual() if said == "auto" else self.resolved(said)


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE
) -> Settings:
    """Read and check all variables.

    Args:
        environ: the process environment; None takes the real one.
        env_file: a ``.env`` file that need not exist, or None; a relative path starts where the
            program is called.

    Raises:
        SettingsError: one sentence that names the variable, its value and what it must be.
    """
    known = {name.upper() for name in Settings.model_fields}
    path = call_folder() / env_file if env_file else None
    from_file = read_env_file(path, known | RENAMED.keys()) if path and path.is_file() else {}
    merged = {**from_file, **(os.environ if environ is None else environ)}
    for old, new in RENAMED.items():
        if merged.get(new) in (None, "", "auto"):
            merged[new] = merged.get(old)
    values = {name.lower(): merged[name] for name in known if merged.get(name)}
    return checked_settings(values)


def checked_settings(values: Mapping[str, object]) -> Settings:
    """Check values, by the fields' names.

    Raises:
        SettingsError: one sentence for the first value refused.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def cuda_variable(name: Literal["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"]) -> str | None:
    """Which cards CUDA is to see, and how it counts them; None where nobody said it."""
    return os.environ.get(name)


def is_in_stack() -> bool:
    """Whether this process is in the production stack, whose compose file alone says so."""
    return os.environ.get("OPENTR_IN_STACK") == "true"


def is_on_cluster() -> bool:
    """Whether this process is a step on a host of a cluster; its run alone says so."""
    return os.environ.get("OPENTR_ON_CLUSTER") == "true"


def archive_on_host(archive: Place) -> Place:
    """The archive where people find it, who are outside of the production stack."""
    named = os.environ.get("OPENTR_ARCHIVE_ON_HOST")
    return Path(named) if named else archive


def output_on_host(output: Path) -> Path:
    """The same of where the tables are."""
    return Path(os.environ.get("OPENTR_OUTPUT_ON_HOST") or output)


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return str(first["ctx"]["error"])
    name = str(first["loc"][0]).upper()
    return f"{name} must be {must_be(error)}, got {first['input']!r}; see {example_file()}."


def must_be(error: ValidationError) -> str:
    """What the first variable that an error is about must be, for people."""
    first = error.errors()[0]
    custom = first.get("ctx", {}).get("error")
    return str(custom) if custom else allowed(Settings.model_fields[str(first["loc"][0])])
