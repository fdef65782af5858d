"""The notebooks of examples/ run from their first cell to their last: `make test-docs`.

With ``GLUETUNE_WRITE_NOTEBOOKS=1`` they are written again with the outputs of the run: what cells print and show,
without warnings of libraries and Ray's table of its connection.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from markdown_pages import ROOT
from searches import environment_of_cluster

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
CELL_TIMEOUT_S = 300
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@every_notebook
@pytest.mark.docs
@pytest.mark.ray
def test_a_notebook_runs_to_its_end(path: Path, ray_cluster: None, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "data")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT_S, record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    environment = {name: value for name, value in environment_of_cluster().items() if name != "MPLBACKEND"}
    client.execute(env=environment | {"PYTHONPATH": str(ROOT / "platform")})
    if os.environ.get("GLUETUNE_WRITE_NOTEBOOKS"):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if is_kept(output)]
        nbformat.write(notebook, path)


def is_kept(output: Any) -> bool:
    """Whether an output of a run is committed."""
    of_ray = output.output_type == "display_data" and "text/html" in output.data
    return not of_ray and output.get("name") != "stderr"


@every_notebook
def test_a_notebook_is_committed_with_its_outputs_and_without_paths_of_a_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)
    assert all(output.output_type != "error" and is_kept(output) for cell in code for output in cell.outputs)
    assert not re.search(r"/(?:tmp|home|root|work)/", path.read_text())
