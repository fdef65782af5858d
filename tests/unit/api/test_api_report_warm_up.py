"""The plotting libraries are loaded while a search runs, and not before its first trial has ended."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from gluetune.api.report_warm_up import ReportWarmUp
from sample_search import events, folded

def loaded():
    return sorted({"matplotlib.figure", "plotly.graph_objects"} & set(sys.modules))

warm_up, trials = ReportWarmUp(), folded(events())
for event in events():
    before = loaded()
    warm_up.on_event(event, trials[0])
    if event.__class__.__name__ == "TrialEnded":
        break
    assert not loaded()
warm_up.join()
print(before, loaded())
"""


def test_the_first_end_of_a_trial_loads_the_plotting_libraries() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[] ['matplotlib.figure', 'plotly.graph_objects']"
