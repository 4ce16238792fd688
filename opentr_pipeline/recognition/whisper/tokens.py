"""How long a text is to a model (the door of ``tokenizers``, which faster-whisper brings)."""

from functools import cache
from pathlib import Path
from typing import Any

from opentr_pipeline.recognition.models import Model

# Half of what the decoder can look back on, less the token that begins it. The engine cuts a
# longer prompt in silence, and hotwords beside it leave no room for what is said.
# Source: n_text_ctx // 2 - 1 in openai/whisper's decoding (448 in every model).
MAX_PROMPT_TOKENS = 223


def num_tokens(text: str, model: Model) -> int:
    """The tokens of a text that stands in front of what is said, 0 for none."""
    if not text:
        return 0
    # With the space that the engine puts in front.
    return len(_tokenizer(model.folder).encode(f" {text}", add_special_tokens=False).ids)


@cache
def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))
