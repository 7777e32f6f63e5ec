"""The commands of carpedm20/ENAS-pytorch and melodyguan/enas: `python main.py --network_type rnn --dataset ptb`, and so on.

Each becomes a command of `enas`, which is shown and run. docs/coming-from.md lists what became of every flag.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # so that it runs from a fresh clone

from enas.predecessors.command import main  # not before the path is known

if __name__ == "__main__":
    sys.exit(main())
