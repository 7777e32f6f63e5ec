"""What `main.py` runs: a predecessor's command line, translated and handed to the command line of this program."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime

from enas import cli
from enas.errors import EnasError
from enas.files import write_errors
from enas.predecessors.translate import Translation, translate


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of a predecessor; returns the exit status of the command that it became, or 2 for bad input."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        translation = translate(sys.argv[1:] if argv is None else argv, now=now)
        for note in translation.notes:
            print(f"main.py: {note}", file=sys.stderr)
        _set_aside(translation, now)
    except EnasError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 2
    print(f"main.py: this is now: {shlex.join(['enas', *translation.words])}", file=sys.stderr, flush=True)
    return cli.main(translation.words)


def _set_aside(translation: Translation, now: str) -> None:
    """Rename the folder of an old run that a new one takes the place of."""
    old = translation.set_aside
    if old is None:
        return
    kept = old.with_name(f"{old.name}_{now}")
    with write_errors(old):
        old.rename(kept)
    print(f"main.py: the run in {old} is kept as {kept} (--reset_output_dir)", file=sys.stderr)
