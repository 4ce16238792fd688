"""The text of ``.env.example``: ``python -m opentr_pipeline.env_example > .env.example``."""

import textwrap

from opentr_pipeline.night_settings import NightSettings
from opentr_pipeline.setting_values import allowed
from opentr_pipeline.settings import Settings
from opentr_pipeline.subtitle_settings import SubtitleSettings


def env_example() -> str:
    """Every variable with default, range and meaning."""
    blocks = ["# Copy to .env and change what you need; every value here is the default."]
    inherited = SubtitleSettings.model_fields | NightSettings.model_fields
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
