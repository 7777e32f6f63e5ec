"""A predecessor's command line, written as a user would: translated, or refused in one line."""

import shlex

import pytest

from enas.errors import UsageError
from enas.predecessors.translate import Translation, translate


def translated(text: str) -> Translation:
    return translate(shlex.split(text), now="NOW")


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as error:
        translated(text)
    assert "\n" not in str(error.value)
    return str(error.value)
