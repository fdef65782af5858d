"""How MLflow's page opens on a search: its training view, with the search's parameters and metrics as columns.

MLflow's own page keeps a view that a user shares as a tag of the experiment; an address names the view by its key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gluetune.tracking.uris import is_server, without_login

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from gluetune.events import SearchPlan

KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"  # what the page's switch "Model training" writes
GUESSED = ("", "no_inferred_type", "genai_development_inferred", "custom_model_development_inferred")  # not a user's
VIEW = "mlflow.sharedViewState."
KEY = 12  # characters of the search's id
LOCAL_UI = "http://127.0.0.1:5000"  # where ``mlflow ui`` answers


def view_key(search_id: str) -> str:
    """The key of a search's view."""
    return search_id[:KEY]


def runs_link(uri: str, experiment: str, search_id: str) -> str | None:
    """The page with a search's trials: on the server, or where ``mlflow ui`` serves a database.

    Args:
        uri: the store.
        experiment: the experiment's id.
        search_id: the search's.
    """
    if uri.startswith("databricks"):
        return None
    page = without_login(uri).rstrip("/") if is_server(uri) else LOCAL_UI
    return (
        f"{page}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={view_key(search_id)}"
    )


def present(client: MlflowClient, experiment: str, plan: SearchPlan, search_id: str, started: float) -> None:
    """Keeps the search's view with the experiment, and makes the experiment one of model training.

    Args:
        client: the open store.
        experiment: the experiment's id.
        plan: the search.
        search_id: the search's.
        started: when the search began, in seconds since the epoch.
    """
    tags = client.get_experiment(experiment).tags
    if tags.get(KIND, "") in GUESSED:
        client.set_experiment_tag(experiment, KIND, TRAINING)
    key, value = VIEW + view_key(search_id), json.dumps(view(plan, search_id, started))
    if tags.get(key) != value:
        client.set_experiment_tag(experiment, key, value)


def view(plan: SearchPlan, search_id: str, started: float) -> dict[str, Any]:
    """A search's trials, best first, by task where there are several.

    In MLflow's words: the view's name and its state as a text, as the page of MLflow 3.17 lists it under *Views*; and
    the state's fields beside them, as the page reads a view without a name.
    """
    several = len(plan.tasks) > 1
    columns = [f"params.`{name}`" for name in plan.fields]
    columns += ["metrics.`best_score`", "metrics.`best_score_epoch`", "attributes.`Dataset`"]
    state = {
        "searchFilter": f"tags.`gluetune.search_id` = '{search_id}' AND tags.`gluetune.level` = 'trial'",
        "orderByKey": "metrics.`best_score`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "groupBy": {"aggregateFunction": "max", "groupByKeys": [{"mode": "param", "groupByData": "task"}]}
        if several
        else None,
    }
    made = round(started * 1000)
    return {"name": f"{plan.name}: trials", "createdAt": made, "updatedAt": made, "state": json.dumps(state)} | state
