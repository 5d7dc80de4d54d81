"""Starts a command, with `functions/` on the import path: `python -m ops --help`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "functions"))

from ops.cli import main

if __name__ == "__main__":
    sys.exit(main())
