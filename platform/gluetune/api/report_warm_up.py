"""What the report of a search needs and does not depend on its results, loaded by a thread while lanes train."""

from __future__ import annotations

import threading

from gluetune.events import Event, TrialEnded, TrialRecord
from gluetune.reporting.page.render import compressed_plotly


class ReportWarmUp:
    """Loads the plotting libraries in a thread once the first trial of a search has ended.

    The driver would otherwise load them after the last trial, when its lanes have nothing left to train: more than a
    second of CPU time. Where an import fails, writing the report fails in its turn, and says why.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Start the thread at the first end of a trial."""
        if self._thread is None and isinstance(event, TrialEnded):
            self._thread = threading.Thread(target=_load, name="gluetune-report", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait until everything is loaded."""
        if self._thread is not None:
            self._thread.join()


def _load() -> None:
    try:
        from matplotlib.backends import backend_agg  # noqa: F401  # of the pictures of learning curves

        from gluetune.search.study.figures import load_plots

        load_plots()
        compressed_plotly()
    except ImportError:
        return
