"""What the model made of a window: whether it is to be believed."""

import pytest

from opentr_pipeline.recognition.whisper.decoded import Decoded


@pytest.mark.parametrize(
    ("text", "ends_twice"),
    [
        ("Espere. Sus contraseñas han sido cambiadas. Sus contraseñas han sido cambiadas.", True),
        ("one two three, One two three", True),
        ("Сегодня заняты все операторы, сегодня заняты все операторы.", True),
        # What people say twice, what comes back later, and what is only begun again.
        ("no, no, no, no, no, no", True),
        ("no, no", False),
        ("Thank you. Thank you.", False),
        ("To hear it, press one. That is wrong. To hear it, press one.", False),
        ("They were changed. They were changed today.", False),
        ("", False),
    ],
)
def test_words_that_stand_there_twice_are_noticed_where_the_text_ends(
    text: str, ends_twice: bool
) -> None:
    assert Decoded((1,), text, -0.1, 0.05, 1.2, is_endless=False).ends_twice == ends_twice
