"""At a resume: whether a run's rows and encoder are still those that it began with."""

from __future__ import annotations

import logging
import shlex

from gluetune.errors import DataError
from gluetune.events import INPUTS_FILE, RunInputs, has_events, load_inputs, set_aside
from gluetune.storage import Storage

ACCEPT = "--accept-changed-data"
logger = logging.getLogger(__name__)


def check_inputs(folder: Storage, now: RunInputs, *, name: str, accept: bool, dry_run: bool = False) -> None:
    """Refuses to resume a run on other rows, other tokens or another encoder than its trials were trained on.

    Trials on different rows cannot be ranked together, and a trial that continues on other rows is neither the one nor
    the other. A run that has begun no trial takes what is there.

    Args:
        folder: the run's.
        now: what there is now.
        name: the run's name.
        accept: whether to set aside what was recorded on other inputs, so that the run starts anew.
        dry_run: whether to leave the folder as it is.

    Raises:
        DataError: the inputs have changed and ``accept`` is not given; names each split that changed.
    """
    if not has_events(folder):
        return
    before = load_inputs(folder)
    if before is None and accept:
        _start_anew(folder, "no fingerprints were kept of the rows that it began with", dry_run)
        return
    if before is None:
        logger.info(
            f"{folder.uri()} was begun by a version that kept no fingerprints of its rows: whether they are "
            "still the same cannot be checked"
        )
        return
    changes = before.changes(now)
    if not changes:
        return
    listed = "".join(f"\n  {change}" for change in changes)
    if not accept:
        command = shlex.join(["--resume", name, ACCEPT])
        raise DataError(
            f"a run is resumed on the rows and the encoder that it began with, but got others:{listed}\n"
            f"Bring back the former ones, or start the run anew on these by {command} "
            "(in Python: accept_changed_data=True), which sets aside what it has recorded",
            folder.uri(INPUTS_FILE),
        )
    _start_anew(folder, f"its rows or encoder have changed:{listed}", dry_run)


def _start_anew(folder: Storage, why: str, dry_run: bool) -> None:
    kept = "would be set aside" if dry_run else f"is now in {set_aside(folder)}"
    logger.info(f"the run starts anew, for {why}\nwhat it had recorded {kept}")
