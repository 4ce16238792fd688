"""What a variable may be: the checks behind ``settings``. A refusal says what it must be."""

import difflib
import io
import re
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator
from pydantic.fields import FieldInfo

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import bucket_url, endpoint_url, is_bucket
from opentr_pipeline.settings.installation import example_file

# The languages that multilingual Whisper models know, as ISO 639 codes.
# Source: the language tokens of openai/whisper-large-v3's tokenizer.
LANGUAGES = frozenset(
    """af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw
    he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne
    nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur
    uz vi yi yo yue zh""".split()
)
DETECTED_LANGUAGES = ("auto", "each_window")
COMPUTE_TYPES = ("auto", "int8", "int8_float16", "int8_float32", "float16", "bfloat16", "float32")
MAX_WORKERS = 64
MAX_BATCH_SIZE = 128
_UNITS_S = {"h": 3600.0, "m": 60.0}


def _path(value: str) -> str:
    if "\0" in value:
        raise ValueError("a path, which has no zero byte")
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise ValueError("a path; nobody has the home folder that it starts with") from None
    return value


def _place(value: str) -> str:
    return bucket_url(value) if is_bucket(value) else value


def _device_id(value: str) -> str:
    if not re.fullmatch(r"cpu|\d{1,3}|GPU-[0-9a-fA-F-]{36}", value):
        raise ValueError("a CUDA device number such as 0, a GPU UUID, or cpu")
    return value


def _device_list(value: str) -> str:
    names = [_device_id_or_list(name) for name in value.split(",")]
    if len(set(names)) != len(names) or ("cpu" in names and len(names) > 1):
        raise ValueError("device numbers or GPU UUIDs, each once, or cpu alone")
    return ",".join(names)


def _device_id_or_list(name: str) -> str:
    try:
        return _device_id(name.strip())
    except ValueError:
        raise ValueError("device numbers or GPU UUIDs separated by commas, or cpu") from None


def _default_device(value: str) -> str:
    return value if value == "auto" else _device_id(value)


def _language(value: str) -> str:
    if value not in DETECTED_LANGUAGES and value not in LANGUAGES:
        raise ValueError(
            "auto, each_window or a language code that Whisper knows, such as en, es or ja"
        )
    return value


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("UTF-8 text") from None
    return value


def _terms(value: str) -> str:
    # One spelling of one list, so that a space more makes no transcript stale.
    return term_list(_text(value).split(","))


def term_list(terms: list[str]) -> str:
    """Terms as options keep them: each once, ``, `` between them."""
    return ", ".join(dict.fromkeys(term.strip() for term in terms if term.strip()))


def _prometheus_file(value: str) -> str:
    if value and not value.endswith(".prom"):
        raise ValueError(
            "empty or a path that ends in .prom, which is all that node exporter reads"
        )
    return _path(value)


def _pages_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value):
        raise ValueError("empty or an address such as https://archive.example/pages")
    return value.rstrip("/")


def _audio_stream(value: str) -> str:
    if value != "auto" and not re.fullmatch("[0-9]{1,2}", value):
        raise ValueError("auto or the number of an audio stream, 0..99")
    return value if value == "auto" else str(int(value))


def _batch_size(value: str) -> str:
    if value == "auto":
        return value
    if not re.fullmatch("[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_BATCH_SIZE:
        raise ValueError(f"auto or 1..{MAX_BATCH_SIZE}")
    return str(int(value))


def seconds_of(amount: str) -> float:
    """An amount of audio, such as ``10h``, ``90m`` or ``1.5h``, in seconds."""
    return float(amount[:-1]) * _UNITS_S[amount[-1]]


def _amount(value: str) -> str:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?[hm]", value) or not seconds_of(value):
        raise ValueError("hours or minutes of audio, such as 10h or 90m")
    return value


def _clock(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("a time of day such as 06:00")
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("a time zone such as UTC or Europe/Rome")
    return value


def _memory(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,4}g", value):
        raise ValueError("gigabytes such as 16g")
    return value


def _yes_or_no(value: object) -> object:
    if isinstance(value, bool) or str(value).lower() in ("true", "false", "1", "0"):
        return value
    raise ValueError("true or false")


Amount = Annotated[str, AfterValidator(_amount)]
Clock = Annotated[str, AfterValidator(_clock)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Memory = Annotated[str, AfterValidator(_memory)]
PathText = Annotated[str, AfterValidator(_path)]
PlaceText = Annotated[PathText, AfterValidator(_place)]
EndpointUrl = Annotated[str, AfterValidator(endpoint_url)]
DeviceId = Annotated[str, AfterValidator(_default_device)]
DeviceList = Annotated[str, AfterValidator(_device_list)]
Language = Annotated[str, AfterValidator(_language)]
Text = Annotated[str, AfterValidator(_text)]
Terms = Annotated[str, AfterValidator(_terms)]
PagesUrl = Annotated[str, AfterValidator(_pages_url)]
PrometheusFile = Annotated[str, AfterValidator(_prometheus_file)]
BatchSize = Annotated[str, AfterValidator(_batch_size)]
AudioStream = Annotated[str, AfterValidator(_audio_stream)]
YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]


def allowed(field: FieldInfo) -> str:
    """What a variable may be, for people: ``1..64``, ``one of a, b``, ``true or false``."""
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    if field.annotation is bool:
        return "true or false"
    if field.annotation is not int:
        return "text"
    lowest = next(m.ge for m in field.metadata if hasattr(m, "ge"))
    highest = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    return f"{lowest}..{highest}" if highest else f"a whole number from {lowest}"


def read_env_file(path: Path, known: Set[str]) -> dict[str, str | None]:
    """The variables of a ``.env`` file; a misspelt one of ours must not be ignored in silence."""
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            said = binding.original.string
            before = said[: -len(said.lstrip())].count("\n")  # empty lines belong to it
            raise SettingsError(
                f"Line {binding.original.line + before} of {path} is no assignment: "
                f"{said.strip()!r}; write NAME=value, or # before a comment."
            )
    variables = dotenv_values(stream=io.StringIO(text))
    for name in variables.keys() - known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if near or name.startswith(("GPU_", "WHISPER_", "PARTITION_")):
            hint = f"did you mean {near[0]}?" if near else f"see {example_file()}."
            raise SettingsError(f"{name} in .env is not a setting; {hint}")
    return variables
