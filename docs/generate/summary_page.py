"""``docs/reference/summary.md``: the fields of ``summary.json``."""

from __future__ import annotations

from pydantic import BaseModel

from gluetune.events import ClassScores
from gluetune.reporting.confirmation_schema import (
    ConfirmationSeed,
    ConfirmationSummary,
    ConfirmationTest,
    ConfirmedConfigurationSummary,
    ConfirmedTask,
)
from gluetune.reporting.schema import (
    BudgetLimit,
    ClassSecondsSummary,
    CostsSummary,
    EarlyEndSummary,
    EncoderScore,
    EstimateSummary,
    EvaluationSummary,
    ExpectedBestSummary,
    FurtherTrialsSummary,
    LaneSummary,
    ParetoPoint,
    Summary,
    TaskSummary,
    TrialSummary,
    WinnerSummary,
)
from json_types import json_type
from markup import first_lines, table

PARTS: dict[type[BaseModel], str] = {
    Summary: "The file",
    TaskSummary: "Task",
    WinnerSummary: "Winner",
    ExpectedBestSummary: "Expected validation performance",
    FurtherTrialsSummary: "Further trials",
    ClassScores: "Classes",
    EncoderScore: "Encoder",
    ParetoPoint: "Pareto point",
    LaneSummary: "Lane use",
    CostsSummary: "Costs",
    ClassSecondsSummary: "Seconds by class",
    EstimateSummary: "Estimate",
    BudgetLimit: "Budget limit",
    EarlyEndSummary: "Early end",
    TrialSummary: "Trial",
    EvaluationSummary: "Evaluation",
    ConfirmationSummary: "Confirmation",
    ConfirmedTask: "Confirmed task",
    ConfirmedConfigurationSummary: "Confirmed configuration",
    ConfirmationSeed: "Confirmation seed",
    ConfirmationTest: "Confirmation test",
}
INTRODUCTION = """
`<storage>/<name>/summary.json` is written when a search ends or is interrupted. It holds everything that the table at
the end shows, and the record of every trial. It is strict JSON: a number that is not finite is `null`. Times are
seconds since the epoch, durations are seconds.
"""


def summary_page() -> str:
    """Return the page in Markdown."""
    return first_lines("summary.json", "the fields of `gluetune.reporting.schema`", INTRODUCTION) + "".join(
        _part(model) for model in PARTS
    )


def _part(model: type[BaseModel]) -> str:
    rows = (
        [f"`{name}`", json_type(field.rebuild_annotation(), PARTS, "null"), field.description or ""]
        for name, field in model.model_fields.items()
        if not field.exclude
    )
    return f"\n## {PARTS[model]}\n\n" + table(("field", "type", "meaning"), rows)
