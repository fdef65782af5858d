"""Requests to a search that runs or has ended: files by which other processes stop, add to and extend it.

Each request is one file, ``requests/<id>.json`` in the run's folder, that is written once and in one piece: two writers
never write the same file. The driver of the search lists the folder every few seconds. It records what it did about a
request in the journal and then deletes the file. Where it is killed between the two, the next session finds the
request's id in the journal and only deletes the file.
"""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from gluetune import __version__
from gluetune.config import Value
from gluetune.storage import Storage

REQUESTS_FOLDER = "requests"
REQUEST_VERSION: Final = 1
ENDED_BY_REQUEST = "stopped by a request"
"""The message of a trial that a request has ended."""
_ENDING = ".json"

RequestAction = Literal["stop", "stop_trial", "add", "extend"]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    version: Literal[1] = REQUEST_VERSION


class StopRequest(_Request):
    """Stop the search as Ctrl-C does; a resume continues it."""

    action: Literal["stop"] = "stop"


class StopTrialRequest(_Request):
    """End one trial for good.

    Attributes:
        number: the trial.
    """

    action: Literal["stop_trial"] = "stop_trial"
    number: int = Field(ge=0)


class AddRequest(_Request):
    """Train a configuration next.

    Attributes:
        configurations: a value for each searched field, by task.
    """

    action: Literal["add"] = "add"
    configurations: dict[str, dict[str, Value]] = Field(min_length=1)


class ExtendRequest(_Request):
    """Raise limits of the search.

    Attributes:
        num_samples: new number of trials per task.
        more_samples: trials per task beyond the present number.
        time_budget_s: new time budget of a session, in seconds from its start.
        more_seconds: seconds beyond the present time budget.
    """

    action: Literal["extend"] = "extend"
    num_samples: int | None = Field(default=None, ge=1)
    more_samples: int | None = Field(default=None, ge=1)
    time_budget_s: float | None = Field(default=None, gt=0)
    more_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> ExtendRequest:
        given = self.model_fields_set & {"num_samples", "more_samples", "time_budget_s", "more_seconds"}
        if not given or {"num_samples", "more_samples"} <= given or {"time_budget_s", "more_seconds"} <= given:
            raise ValueError(f"one new number of trials, one new time budget, or both must be given, but got {given}")
        return self


SearchRequest: TypeAlias = StopRequest | StopTrialRequest | AddRequest | ExtendRequest
_ADAPTER: TypeAdapter[SearchRequest] = TypeAdapter(Annotated[SearchRequest, Field(discriminator="action")])


class RequestHandled(BaseModel):
    """The driver acted on a request or refused it; or a flag of a resume has changed a limit.

    Attributes:
        time: when, in seconds since the epoch.
        request: the request's id; empty for a flag of a resume.
        action: what was requested; ``resume`` for a flag of a resume, ``unreadable`` for a file that is no request.
        accepted: whether the driver acted on it.
        message: what the driver did, or why it refused.
        limits: new values of the search's limits, by name; ``None`` for no limit.
        added: configurations to train next, by task.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    event: Literal["request"] = "request"
    time: float
    request: str
    action: RequestAction | Literal["resume", "unreadable"]
    accepted: bool
    message: str
    limits: dict[str, int | float | None] = Field(default_factory=dict)
    added: dict[str, list[dict[str, Value]]] = Field(default_factory=dict)


def write_request(folder: Storage, request: SearchRequest) -> str:
    """Write a request into the folder of its run, and return its id. Ids sort by the time of the request.

    Raises:
        StorageError: the folder cannot be written.
    """
    request_id = f"{time.time_ns() // 1_000_000:013d}-{uuid.uuid4().hex[:12]}"
    folder.write(_path(request_id), (request.model_dump_json(exclude_none=True) + "\n").encode())
    return request_id


def waiting_requests(folder: Storage) -> list[str]:
    """Return the ids of the requests that the driver has not handled yet, the earliest first.

    Raises:
        StorageError: the folder cannot be listed.
    """
    names = folder.list(REQUESTS_FOLDER)
    return [name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)]


def read_request(folder: Storage, request_id: str) -> SearchRequest | None:
    """Read a request.

    Returns:
        The request; ``None`` where there is none any more.

    Raises:
        StorageError: the file cannot be read.
        ValueError: it is no request that this version of gluetune knows; says why.
    """
    data = folder.read(_path(request_id))
    if data is None:
        return None
    values: Any = from_json(data)
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > REQUEST_VERSION:
        raise ValueError(
            f"the request must have a version that gluetune {__version__} reads (up to {REQUEST_VERSION}), but has "
            f"version {version}: a newer version of gluetune wrote it"
        )
    try:
        return _ADAPTER.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(key) for key in first["loc"])
        raise ValueError(f"not a request: {place}: {first['msg']}") from error


def delete_request(folder: Storage, request_id: str) -> None:
    """Delete a request that the journal has, or that is no longer to be acted on.

    Raises:
        StorageError: it cannot be deleted.
    """
    folder.delete(_path(request_id))


def drop_stop_requests(folder: Storage) -> int:
    """Delete the requests to stop a search that does not run, so that they do not stop the session that starts.

    Returns:
        Their number.

    Raises:
        StorageError: the folder cannot be read or written.
    """
    dropped = 0
    for request_id in waiting_requests(folder):
        try:
            request = read_request(folder, request_id)
        except ValueError:
            continue  # the driver refuses it, and records why
        if isinstance(request, StopRequest):
            delete_request(folder, request_id)
            dropped += 1
    return dropped


def _path(request_id: str) -> str:
    return f"{REQUESTS_FOLDER}/{request_id}{_ENDING}"
