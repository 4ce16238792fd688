"""The text of ``.env.example``, made by ``python -m opentr_pipeline.settings.env_example``."""

import textwrap

from opentr_pipeline.settings.cluster import ClusterSettings
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.nights import NightSettings
from opentr_pipeline.settings.page import PageSettings
from opentr_pipeline.settings.sound import SoundSettings
from opentr_pipeline.settings.speakers import SpeakerSettings
from opentr_pipeline.settings.values import allowed


def env_example() -> str:
    """Every variable with default, range and meaning."""
    blocks = ["# Copy to .env and change what you need; every value here is the default."]
    inherited = {**SubtitleSettings.model_fields, **NightSettings.model_fields}
    inherited |= {**PageSettings.model_fields, **SoundSettings.model_fields}
    inherited |= SpeakerSettings.model_fields | ClusterSettings.model_fields
    for name, field in sorted(Settings.model_fields.items(), key=lambda one: one[0] in inherited):
        meaning = str(field.description)
        if (range_ := allowed(field)) != "text":
            meaning += f" ({range_})"
        comment = textwrap.fill(meaning, 98, initial_indent="# ", subsequent_indent="# ")
        default = str(field.default).lower() if field.annotation is bool else field.default
        blocks.append(f"{comment}\n{name.upper()}={default}")
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    print(env_example(), end="")
