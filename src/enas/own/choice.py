"""`Choice`: modules of which each architecture uses one."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import nn

from enas.architecture import Architecture
from enas.decisions import Op
from enas.errors import UsageError


class Choice(nn.Module):
    """One module for each answer to a question: all of them in shared weights, only the chosen one in a network of its own."""

    def __init__(
        self, question: Op, options: Mapping[str, Callable[[], nn.Module]], architecture: Architecture | None
    ) -> None:
        """Make the modules.

        Args:
            question: The question that decides.
            options: Answer -> a function that makes its module; one for each operation of the question's vocabulary.
            architecture: The one that is built; None: shared weights, for all of them.

        Raises:
            UsageError: the options are not the operations of the question.
        """
        super().__init__()
        asked = question.vocabulary.options
        if set(options) != set(asked):
            raise UsageError(
                f"question {question.name!r} offers {', '.join(asked)}, but its modules are {', '.join(options)}: "
                "give one module for each"
            )
        self.question = question.name
        chosen = asked if architecture is None else (self._answer(architecture),)
        self.options = nn.ModuleDict({_key(name): options[name]() for name in chosen})

    def forward(self, *inputs: Any, architecture: Architecture) -> Any:
        """Run the module that an architecture chose."""
        return self.options[_key(self._answer(architecture))](*inputs)

    def _answer(self, architecture: Architecture) -> str:
        return cast(str, architecture.choices[self.question])


def _key(name: str) -> str:
    """A name that torch allows for a module."""
    return name.replace(".", "_")
