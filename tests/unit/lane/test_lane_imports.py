"""What a lane's processes import before they are of use: each start of a search waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ray.train import RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback

from gluetune.lane.entry import serve
from gluetune.lane.lane import _Trainer


@pytest.mark.parametrize(("module", "without"), [
    ("gluetune.lane.mailbox", ("torch", "transformers", "sklearn")),
    ("gluetune.lane.room", ("transformers", "sklearn")),  # Ray Train's controller
    ("gluetune.trial", ("transformers", "sklearn")),
])
def test_only_workers_import_what_only_they_need(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {without!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_actor_deals_out_datasets(tmp_path: Path) -> None:
    trainer = _Trainer(serve, scaling_config=ScalingConfig(num_workers=1), run_config=RunConfig(name="lane",
                       storage_path=str(tmp_path)))
    callbacks = trainer._create_default_callbacks()
    assert callbacks
    assert not [callback for callback in callbacks if isinstance(callback, DatasetsCallback)]
