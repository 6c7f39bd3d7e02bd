"""The notebooks: kept without outputs, all that they import exists, and they run from top to bottom."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.core.units import HOUR

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "daemon/lab/notebooks").glob("*.ipynb"))
RECORDED = ROOT / "../shared/data/kalshi_btc15m_2026-05"
RUN_S_MAX = 480
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The notebook's cells as they are in the file."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def test_there_are_two() -> None:
    """To explore, and to train and judge."""
    assert ["explore", "train_and_judge"] == [path.stem for path in NOTEBOOKS]


@each
def test_it_is_kept_without_outputs(path: Path) -> None:
    """No output, no count of runs: what was seen on somebody's recording never gets into the project."""
    written = [
        cell["id"]
        for cell in cells_of(path)
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
    ]
    assert [] == written


@each
def test_its_words_come_first(path: Path) -> None:
    """It begins with what it is for and what it needs, and each cell has a name of its own."""
    cells = cells_of(path)
    assert "markdown" == cells[0]["cell_type"]
    assert all(word in "".join(cells[0]["source"]) for word in ("`lab`", "`notebooks`", "KALSHID_TAPE"))
    assert len(cells) == len({cell["id"] for cell in cells})


@each
def test_what_it_imports_exists(path: Path) -> None:
    """Every name that a cell takes from the project is there: the quick half of running it."""
    for extra in ("pyarrow", "sklearn", "lightgbm"):
        pytest.importorskip(extra, reason="needs the extra `lab`")
    absent = []
    for cell in cells_of(path):
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("daemon."):
                module = importlib.import_module(node.module or "")
                absent += [f"{node.module}.{one.name}" for one in node.names if not hasattr(module, one.name)]
    assert [] == absent


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded books where they are; else three hours of simulated traders."""
    target = tmp_path_factory.mktemp("notebooks") / "tape"
    if RECORDED.is_dir():
        from daemon.lab.tape import import_tape

        import_tape(RECORDED, target)
    else:
        from daemon.lab.synthetic import synthetic_tape

        synthetic_tape(1, 3 * HOUR, target)
    return target


@pytest.mark.full
@each
def test_it_runs_from_top_to_bottom(path: Path, tape: Path, tmp_path: Path) -> None:
    """Every cell, in a process that writes nowhere but here; and it has pictures to show."""
    for needed in ("nbclient", "ipykernel", "matplotlib"):
        pytest.importorskip(needed, reason="needs the extra `notebooks`")
    places = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR", "KALSHID_WORK")
    for name in places:
        (tmp_path / name).mkdir()
    environment = {
        **os.environ,
        **{name: str(tmp_path / name) for name in places},
        "KALSHID_TAPE": str(tape),
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "tests.lab.run_notebook", str(path), str(tmp_path / "run.ipynb")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=RUN_S_MAX,
    )  # fmt: skip
    assert 0 == ended.returncode, ended.stderr[-3_000:]
    shown = [one for cell in cells_of(tmp_path / "run.ipynb") for one in cell.get("outputs", [])]
    assert [] == [one for one in shown if one["output_type"] == "error"]
    assert any("image/png" in one.get("data", {}) for one in shown)
