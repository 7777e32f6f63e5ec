import pytest

from enas.decisions import Input, Op, Skips, Step, Vocabulary, check_steps, code_length, decisions
from enas.errors import UsageError

WORDS = Vocabulary(("a", "b"))


def test_code_length_counts_one_column_for_each_answer() -> None:
    steps = (
        Step(remember="x"),
        Step(Op("op", WORDS), remember="y"),
        Step(Skips("s", ("x", "y"))),
        Step(Input("i", ("x",))),
    )
    check_steps(steps)
    assert code_length(steps) == 1 + 2 + 1
    assert [decision.name for decision in decisions(steps)] == ["op", "s", "i"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((Step(remember="x"),), "asks no question"),
        ((Step(Input("i", ("x",))),), "no earlier step remembers"),
        ((Step(Op("o", WORDS)), Step(Op("o", WORDS))), "two questions are called 'o'"),
        ((Step(remember="x"), Step(Op("o", WORDS), remember="x")), "remember a node 'x'"),
        ((Step(Skips("s", ())),), "no candidates"),
        ((Step(Op("o", WORDS, bias=(1.0,))),), "2 operations but 1 biases"),
        ((Step(Op("o", Vocabulary(("a", "a")))),), "different names"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(steps: tuple[Step, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_steps(steps)
