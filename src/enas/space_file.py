"""Names of spaces that are files: their parts, and where such a file is when it was moved."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enas.errors import UsageError

ATTRIBUTE = "SPACE"
"""What a space is called in its module, where nothing else is said."""
_LOG = logging.getLogger(__name__)


def file_and_attribute(name: str) -> tuple[str, str] | None:
    """The parts of a space's name of the form file.py or file.py:ATTRIBUTE; None: it is of another form."""
    match = re.fullmatch(r"(.+\.py)(?::(\w+))?", name)
    return (match[1], match[2] or ATTRIBUTE) if match else None


def short_name(name: str) -> str:
    """The name of a space without folders, for messages."""
    found = file_and_attribute(name)
    return name if found is None else f"{Path(found[0]).name}:{found[1]}"


def found_again(name: str, where: str) -> str:
    """The name of a space that a file was written with, or that of its file in the current folder where it was moved there.

    Args:
        name: As it was written, with the whole path.
        where: The file that names it, for messages.

    Raises:
        UsageError: the space's file is in neither place.
    """
    found = file_and_attribute(name)
    if found is None or Path(found[0]).is_file():
        return name
    here = Path.cwd() / Path(found[0]).name
    if not here.is_file():
        raise UsageError(f'space file {found[0]} moved: edit "space" in {where}, or work in the folder of {here.name}')
    _LOG.warning("space file %s, named in %s, moved: %s is used", found[0], where, here)
    return f"{here}:{found[1]}"


def settings_found_again(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings of a run in which the space is named by where its file is now.

    Raises:
        UsageError: see `found_again`.
    """
    name = settings.get("space")
    return {**settings, "space": found_again(name, where)} if isinstance(name, str) else dict(settings)
