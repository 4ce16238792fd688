"""How much of a window the encoder hears; what the model makes of it is in ``test_engine_real``."""

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.recognition.recognizer import FULL_CONTEXT_S, MIN_CONTEXT_S, context_s
from opentr_pipeline_tests.making import PROPERTY


@PROPERTY
@given(st.floats(0.01, 30.0), st.floats(0.01, 30.0))
def test_a_context_holds_its_window_and_grows_with_it(one_s: float, other_s: float) -> None:
    assert min(one_s + 1.0, FULL_CONTEXT_S) <= context_s(one_s) <= FULL_CONTEXT_S
    assert context_s(one_s) >= MIN_CONTEXT_S
    assert (context_s(one_s) <= context_s(other_s)) or one_s > other_s


def test_there_are_few_contexts() -> None:
    """Each is a kind of batch of its own."""
    assert len({context_s(number / 10) for number in range(1, 301)}) <= 5
