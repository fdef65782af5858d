"""``docs/reference/mlflow-names.md``: names of what gluetune records in MLflow."""

from __future__ import annotations

from gluetune.tracking.updates import EVALUATION_METRICS, PRETRAINING_METRICS, RUN_STATUS
from markup import first_lines, table
from mlflow_texts import ARTIFACTS, INTRODUCTION, METRICS, MODELS, PARAMS, RUNS, TAGS


def mlflow_page() -> str:
    """Return the page in Markdown."""
    if missing := {*EVALUATION_METRICS, *PRETRAINING_METRICS} - {*METRICS}:
        raise ValueError(f"mlflow_texts.METRICS must have each metric of an evaluation, but lacks {sorted(missing)}")
    statuses = ([f"`{status}`", f"`{known}`"] for status, known in RUN_STATUS.items())
    parts = [
        first_lines("Names in MLflow", "`gluetune.tracking`, and checked against it", INTRODUCTION),
        "\n## Runs\n\n" + table(("run", "name", "`gluetune.level`"), RUNS),
        "\nThe status of a trial's run in MLflow:\n\n" + table(("end of the trial", "status in MLflow"), statuses),
        "\n## Metrics\n\n" + table(("metric", "runs", "meaning"), _metrics()),
        "\n## Params\n\n" + table(("run", "params"), PARAMS),
        "\n## Tags\n\n" + table(("tag", "meaning"), ([f"`{name}`", text] for name, text in TAGS.items())),
        "\n## Artifacts\n\n" + table(("file", "run", "content"), ARTIFACTS),
        f"\n## Registered models\n\n{MODELS.strip()}\n",
    ]
    return "".join(parts)


def _metrics() -> list[list[str]]:
    return [[f"`{name.replace(', ', '`, `')}`", runs, text] for name, (runs, text) in METRICS.items()]
