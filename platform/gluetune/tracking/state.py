"""State of the tracking that lasts between sessions, in ``tracking.json``."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from gluetune.storage import Storage

FILE = "tracking.json"
logger = logging.getLogger(__name__)


class TrackingState(BaseModel):
    """How much of a search has been written to which store.

    Attributes:
        uri: the store. With another store, the search is recorded anew from the journal's first event.
        experiment: the experiment in that store.
        search_id: value of a tag of every run of this search; runs whose ids are unknown are found by it.
        started: when tracking began, in seconds since the epoch.
        runs: MLflow run ids by key. They are not saved, because the file is written after every batch; another session
            finds the runs by ``search_id``.
        written: number of journal events that are completely written.
        opened: whether the params of the search's and tasks' runs are written.
    """

    uri: str
    experiment: str
    search_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    started: float = Field(default_factory=time.time)
    runs: dict[str, str] = Field(default_factory=dict, exclude=True)
    written: int = 0
    opened: bool = False

    def save(self, folder: Storage) -> None:
        """Write the state to ``tracking.json``."""
        folder.write(FILE, self.model_dump_json(indent=1).encode())


def load_state(folder: Storage, uri: str, experiment: str, *, fresh: bool = False) -> tuple[TrackingState, bool]:
    """Load the saved state, or create and save a new one.

    Where the file is damaged or the store has been lost, a warning is logged, and the search is recorded anew from its
    journal; the runs of the earlier record stay in the store.

    Args:
        folder: the search's folder.
        uri: the store's address.
        experiment: the experiment in it.
        fresh: whether the store is a database without tables.

    Returns:
        The state, and whether the store may hold runs of it.
    """
    data = folder.read(FILE)
    if data is not None:
        try:
            kept = TrackingState.model_validate_json(data)
        except ValueError:
            logger.warning(
                f"{folder.uri(FILE)} is damaged ({len(data)} bytes): the search is recorded anew in MLflow, from "
                "its journal"
            )
        else:
            same = (kept.uri, kept.experiment) == (uri, experiment)
            if same and not (fresh and kept.opened):
                return kept, True
            if same:
                logger.warning(
                    f"the database {uri} is missing or empty, but had {kept.written} events of this search: it is "
                    "recorded anew there, from its journal"
                )
    state = TrackingState(uri=uri, experiment=experiment)
    state.save(folder)  # before the first run is created, so that all runs can be found by the search's id
    return state, False
