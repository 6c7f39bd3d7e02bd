"""A process that runs one notebook from top to bottom: `python -m tests.lab.run_notebook <path> <target>`.

Apart from the tests, for the notebook's libraries leave their sockets open when they are done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

CELL_S_MAX = 240


def main(path: Path, target: Path) -> None:
    """Write the notebook with its outputs to `target`. Raises at the first cell that raises."""
    notebook = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
    # By files of this machine: by its addresses anybody on it could send code.
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(notebook, km=kernel, timeout=CELL_S_MAX).execute()
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
