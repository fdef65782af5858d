"""What the processes of a lane and of a trial import at their start, which each search waits for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A process imports several modules, one after the other: what one of them has not imported, it has not alone either.
NEVER = ("torch", "transformers", "sklearn")
PROCESSES: dict[str, dict[str, tuple[str, ...]]] = {
    "the lane's actor and the driver": {
        "gluetune.lanes.mailbox": NEVER,
        "gluetune.workloads.fine_tuning": NEVER,  # which the actor unpickles
        "gluetune.lanes.lane": (*NEVER, "ray.tune", "ray.train"),
        "gluetune.api.ray_session": NEVER,  # which the driver imports while Ray starts
        "gluetune.search.search": ("ray.tune", "ray.train"),  # which the driver imports while lanes start
    },
    "the Trainable": {"gluetune.search.trainable": (*NEVER, "gluetune.events")},
}


@pytest.mark.parametrize("process", PROCESSES)
def test_only_workers_import_torch_and_transformers(process: str) -> None:
    code = "import importlib, sys\n"
    for module, without in PROCESSES[process].items():
        code += f"importlib.import_module({module!r})\n"
        code += f"print([({module!r}, name) for name in {without!r} if name in sys.modules])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]"] * len(PROCESSES[process])


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
