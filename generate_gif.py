#!/usr/bin/env python
"""The command line of ENAS-pytorch's `generate_gif.py`: how the best architecture of a search changed, as a GIF.

    python generate_gif.py --model_name ptb_2018-02-15 --output best.gif

It does what `enas draw RUN -o best.gif` does; the run is the folder `logs/MODEL_NAME`, or a folder given by its path.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from enas.cli import main as enas
from enas.errors import EnasError
from enas.flags import Parser, normalise


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 for bad input."""
    parser = Parser(prog="generate_gif.py", description="A GIF of how the best architecture of a search changed.")
    parser.add_argument("--model-name", required=True, help="name of a run in the folder logs, or the path of a run")
    parser.add_argument("--max-frame", type=int, default=50, help="most epochs that are shown (default: 50)")
    parser.add_argument("--output", default="sampe.gif", help="file to write (default: sampe.gif)")  # spelt as there
    parser.add_argument("--title", default="", help="what stands above the picture")
    try:
        options = parser.parse_args(normalise(sys.argv[1:] if argv is None else argv))
    except EnasError as error:
        print(f"enas: {error}", file=sys.stderr)
        return 2
    run = Path("logs") / options.model_name
    words = ["draw", str(run if run.is_dir() else Path(options.model_name)), "-o", options.output]
    words.append(f"--max-frames={options.max_frame}")
    return enas([*words, *([f"--title={options.title}"] if options.title else [])])


if __name__ == "__main__":
    sys.exit(main())
