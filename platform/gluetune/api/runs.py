"""A session from its folder to its results: its log, Ray, the run itself, and the folder's lock at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gluetune.api.frontend import Frontend
from gluetune.api.session import Session

if TYPE_CHECKING:
    from gluetune.api.pretraining_run import PretrainSession
    from gluetune.api.search_run import FinishedSearch
    from gluetune.api.views import ViewFactory
    from gluetune.events import TrialRecord


def search_session(
    session: Session,
    address: str | None,
    frontend: Frontend,
    views: ViewFactory,
    *,
    score: bool = True,
    accept_inputs: bool = False,
) -> FinishedSearch:
    """Connects to Ray, runs a search or a single run to its end, and unlocks its folder.

    Args:
        session: what to run.
        address: the Ray cluster's; ``None`` is Ray's own default.
        frontend: the program around the run.
        views: how progress and results are shown.
        score: whether winners are scored on the official rows; they are saved in any case.
        accept_inputs: whether a run whose rows or encoder have changed starts anew.

    Raises:
        UserError: data, model, cluster or MLflow store cannot be used, or no trial could be evaluated.
    """
    from gluetune.api.ray_session import ray_session
    from gluetune.lanes.prestart import PrestartedLanes

    prestarted = PrestartedLanes(session.job, session.space, session.storage)
    try:
        with (
            frontend.logging_to(session.log),
            ray_session(session.job, address, session.log, frontend, prestarted),
        ):
            from gluetune.api.search_run import run_search

            return run_search(session, address, frontend, views, prestarted, score=score, accept_inputs=accept_inputs)
    finally:
        session.unlock()


def pretraining_session(
    session: PretrainSession, address: str | None, frontend: Frontend, *, accept_inputs: bool = False
) -> TrialRecord | None:
    """Connects to Ray, runs a pre-training to its end, and unlocks its folder.

    Args:
        session: what to run.
        address: the Ray cluster's; ``None`` is Ray's own default.
        frontend: the program around the run.
        accept_inputs: whether a run whose text has changed starts anew.

    Returns:
        The run's trial; ``None`` where it was stopped before it began.

    Raises:
        UserError: text, tokenizer, cluster or MLflow store cannot be used.
    """
    from gluetune.api.pretraining_run import run_pretraining
    from gluetune.api.ray_session import ray_session

    try:
        with (
            frontend.logging_to(session.log),
            ray_session(session.job, address, session.log, frontend),
        ):
            return run_pretraining(session, address, frontend, accept_inputs=accept_inputs)
    finally:
        session.unlock()
