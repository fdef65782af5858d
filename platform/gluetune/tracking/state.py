"""What a tracker must remember between sessions, in ``tracking.json``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from gluetune.storage import Storage

FILE = "tracking.json"


class TrackingState(BaseModel):
    """How far a search is written to which store.

    Attributes:
        uri, experiment: the store; another one begins a new record from the journal's first event.
        search_id: tag of every run of this search, by which runs are found whose ids were not kept.
        started: when tracking began, in seconds since the epoch.
        runs: MLflow run ids by key. Not kept, for the file is written after every batch: another session finds them by
            ``search_id``. (Files of earlier versions hold them.)
        written: number of journal events that are wholly written.
        opened: whether the search's and tasks' own params are written.
    """

    uri: str
    experiment: str
    search_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    started: float = Field(default_factory=time.time)
    runs: dict[str, str] = Field(default_factory=dict, exclude=True)
    written: int = 0
    opened: bool = False

    def save(self, folder: Storage) -> None:
        """Writes the state."""
        folder.write(FILE, self.model_dump_json(indent=1).encode())


def load_state(
    folder: Storage, uri: str, experiment: str, notify: Callable[[str], None] = print, *, fresh: bool = False
) -> tuple[TrackingState, bool]:
    """The kept state, or a new one, already saved.

    Args:
        folder: the search's folder.
        uri: the store's address.
        experiment: the experiment in it.
        notify: gets one line where the file is damaged, or the store lost. The journal has all that is to be recorded,
            so a new record is written from it; what the store has of the earlier one stays there.
        fresh: whether the store is a database without tables.

    Returns:
        The state, and whether runs of it may exist.
    """
    data = folder.read(FILE)
    if data is not None:
        try:
            kept = TrackingState.model_validate_json(data)
        except ValueError:
            notify(
                f"{folder.uri(FILE)} is damaged ({len(data)} bytes): the search is recorded anew in MLflow, from "
                "its journal"
            )
        else:
            same = (kept.uri, kept.experiment) == (uri, experiment)
            if same and not (fresh and kept.opened):
                return kept, True
            if same:
                notify(
                    f"the database {uri} is missing or empty, but had {kept.written} events of this search: it is "
                    "recorded anew there, from its journal"
                )
    state = TrackingState(uri=uri, experiment=experiment)
    state.save(folder)  # before the first run: whatever happens later, its runs can be found by the search's id
    return state, False
