"""``docs/reference/summary.md``: the fields of ``summary.json``."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from gluetune.events import ClassScores, MayBeNonFinite
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
from markup import first_lines

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
    rows = "".join(
        f"| `{name}` | {_type(field.rebuild_annotation())} | {field.description} |\n"
        for name, field in model.model_fields.items()
        if not field.exclude
    )
    return f"\n## {PARTS[model]}\n\n| field | type | meaning |\n|---|---|---|\n{rows}"


def _type(annotation: Any) -> str:
    """Return the JSON name of a type."""
    return " or ".join(dict.fromkeys(_names(annotation)))


def _names(annotation: Any) -> Iterator[str]:
    arguments = get_args(annotation)
    if annotation in PARTS:
        yield f"[{PARTS[annotation]}](#{PARTS[annotation].lower().replace(' ', '-')})"
    elif annotation == MayBeNonFinite:
        yield from ("number", "null")
    elif get_origin(annotation) is Literal:
        yield from (f"`{value}`" for value in arguments)
    elif get_origin(annotation) is list:
        yield f"list of {_type(arguments[0])}"
    elif get_origin(annotation) is dict:
        yield f"object of {_type(arguments[1])}"
    elif arguments:
        for argument in arguments:
            yield from _names(argument)
    else:
        yield {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}[annotation]
