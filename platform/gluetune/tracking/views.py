"""The view of a search in MLflow's UI: a table of its trials with the searched fields and the scores as columns.

MLflow's UI stores a shared view as a tag of the experiment; an address refers to the view by its key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gluetune.tracking.uris import is_server, without_login

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from gluetune.events import SearchPlan

KIND_TAG, TRAINING = "mlflow.experimentKind", "custom_model_development"  # set by the UI's switch "Model training"
# Kinds that MLflow has inferred; any other was set by a user.
INFERRED_KINDS = ("", "no_inferred_type", "genai_development_inferred", "custom_model_development_inferred")
VIEW_TAG = "mlflow.sharedViewState."
VIEW_KEY_CHARS = 12  # characters of the search's id
LOCAL_UI = "http://127.0.0.1:5000"  # default address of ``mlflow ui``


def view_key(search_id: str) -> str:
    """The key of a search's view."""
    return search_id[:VIEW_KEY_CHARS]


def runs_link(uri: str, experiment: str, search_id: str) -> str | None:
    """Address of the page with a search's trials, on the server or, for a database, on a local ``mlflow ui``.

    Args:
        uri: the store.
        experiment: the experiment's id.
        search_id: the search's id.
    """
    if uri.startswith("databricks"):
        return None
    page = without_login(uri).rstrip("/") if is_server(uri) else LOCAL_UI
    return (
        f"{page}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={view_key(search_id)}"
    )


def save_view(client: MlflowClient, experiment: str, plan: SearchPlan, search_id: str, started: float) -> None:
    """Saves the search's view as a tag of the experiment, and sets the experiment's kind to model training.

    Args:
        client: client of the open store.
        experiment: the experiment's id.
        plan: the search.
        search_id: the search's id.
        started: when the search began, in seconds since the epoch.
    """
    tags = client.get_experiment(experiment).tags
    if tags.get(KIND_TAG, "") in INFERRED_KINDS:
        client.set_experiment_tag(experiment, KIND_TAG, TRAINING)
    key, value = VIEW_TAG + view_key(search_id), json.dumps(view(plan, search_id, started))
    if tags.get(key) != value:
        client.set_experiment_tag(experiment, key, value)


def view(plan: SearchPlan, search_id: str, started: float) -> dict[str, Any]:
    """Builds the view: a search's trials, best first, grouped by task if there are several.

    The result holds the view's name and its state as JSON text, which the UI of MLflow 3.17 lists under *Views*, and
    beside them the fields of that state, which the UI reads for a view without a name.
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
