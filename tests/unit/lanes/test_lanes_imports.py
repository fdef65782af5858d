"""What the processes of a lane and of a trial import at their start, which each search waits for."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("gluetune.lanes.mailbox", ("torch", "transformers", "sklearn")),
        ("gluetune.lanes.lane", ("torch", "transformers", "sklearn", "ray.tune", "ray.train")),
        ("gluetune.search.trainable", ("torch", "transformers", "sklearn", "gluetune.events")),
        ("gluetune.search.search", ("ray.tune", "ray.train")),  # which the driver imports while lanes start
        ("gluetune.workloads.fine_tuning", ("torch", "transformers", "sklearn")),  # which the actor unpickles
        ("gluetune.api.ray_session", ("torch", "transformers", "sklearn")),  # which it imports while Ray starts
    ],
)
def test_only_workers_import_torch_and_transformers(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {without!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_garbage_collection_pauses_during_imports_and_works_afterwards() -> None:
    code = (
        "import gc, weakref\nfrom gluetune.supervisor.driver import gc_paused\nclass Thing: pass\n"
        "with gc_paused():\n    enabled, kept = gc.isenabled(), Thing()\n"
        "frozen = gc.get_freeze_count() > 0 and not any(one is kept for one in gc.get_objects())\n"
        "one = Thing(); one.itself = one; gone = weakref.ref(one); del one; gc.collect()\n"
        "print(enabled, frozen, gone() is None and gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
