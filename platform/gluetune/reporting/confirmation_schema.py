"""The fields of ``confirmation`` in ``summary.json``, and the base of all parts of that file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gluetune.config import Value


class SummaryPart(BaseModel):
    """A part of the summary. Numbers that are not finite become ``null``."""

    model_config = ConfigDict(frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _only_finite(cls, value: Any) -> Any:
        return _finite(value)


def _finite(value: Any) -> Any:
    """Replace every NaN and infinity in a value by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return value


class ConfirmationSeed(SummaryPart):
    """A configuration that was trained again with one fresh seed."""

    name: str = Field(description="its MLflow run name")
    seed: int = Field(description="seed of data order, head and dropout")
    status: str = Field(description="running, finished, diverged, out_of_memory, failed or stopped")
    message: str = Field(description="why it did not finish; empty if it did")
    value: float | None = Field(description="the primary metric on the rows of `split`; null without one")
    selection: float | None = Field(description="the primary metric on the selection rows, at its best evaluation")
    scores: dict[str, dict[str, float | None]] = Field(description="all metrics by split, in fp32")
    seconds: float = Field(description="seconds it spent in training and evaluation")


class ConfirmedConfigurationSummary(SummaryPart):
    """One configuration of a task, trained again with fresh seeds."""

    params: dict[str, Value] = Field(description="the searched fields")
    trial: str | None = Field(description="name of the search's trial; null for a default that it has not tried")
    rank: int | None = Field(
        description="position among the task's configurations by the search's selection scores, from 1; null for a "
        "default without one"
    )
    default: bool = Field(description="whether it is the default: the first point of the search space")
    mean: float | None = Field(description="mean over seeds of the primary metric on the rows of `split`")
    standard_deviation: float | None = Field(description="over seeds, with divisor seeds - 1; null for one seed")
    minimum: float | None = Field(description="the lowest of the seeds")
    maximum: float | None = Field(description="the highest of the seeds")
    scored: int = Field(description="number of seeds with a score")
    failed: int = Field(description="number of seeds that diverged, ran out of memory or failed")
    low: float | None = Field(description="lower end of the mean's 95% interval, by the bootstrap over seeds and rows")
    high: float | None = Field(description="upper end of that interval")
    interval_method: Literal["bca", "percentile"] | None = Field(description="how the interval was computed")
    search_selection: float | None = Field(description="the search's best primary metric on the selection rows")
    fresh_selection: float | None = Field(description="the same, mean over the fresh seeds")
    selection_bias: float | None = Field(
        description="by how much `search_selection` is better than `fresh_selection`: the luck in the search's score"
    )
    seeds: list[ConfirmationSeed] = Field(description="its seeds")


class ConfirmationTest(SummaryPart):
    """A paired test over rows and seeds: the configuration of rank 1 against another one."""

    against: Literal["second", "default"] = Field(description="the other configuration: that of rank 2, or the default")
    difference: float = Field(description="the primary metric of the first minus that of the other one, means of seeds")
    low: float = Field(description="lower end of the difference's 95% interval")
    high: float = Field(description="upper end of that interval")
    p_value: float = Field(description="two-sided")
    adjusted_p_value: float = Field(description="`p_value` with Holm's correction over the tasks")
    method: str = Field(description="how `p_value` was computed")
    interval_method: str = Field(description="how the interval was computed")
    verdict: Literal["better", "worse", "no difference"] = Field(
        description="whether the first is significantly better or worse at 0.05, by `adjusted_p_value`"
    )


class ConfirmedTask(SummaryPart):
    """One task of a confirmation."""

    task: str = Field(description="name of the task")
    title: str = Field(description="its name as papers print it")
    metric: str = Field(description="the primary metric; all values below are of it")
    split: str = Field(description="the rows that seeds are scored on; `selection` where there are no others")
    rows: int = Field(description="number of these rows")
    chose_nothing: bool = Field(
        description="whether these rows chose nothing; false for selection rows, on which the best configuration's "
        "score is too good"
    )
    configurations: list[ConfirmedConfigurationSummary] = Field(description="the best first; the default may be last")
    tests: list[ConfirmationTest] = Field(description="tests of the first configuration against others")


class ConfirmationSummary(SummaryPart):
    """The best configurations and the default, trained again with fresh seeds (`confirm` in the job)."""

    top: int = Field(description="number of configurations of each task that were asked for")
    seeds: int = Field(description="number of seeds of each that were asked for")
    complete: bool = Field(description="whether all of them have ended")
    seconds: float = Field(description="seconds they spent in training and evaluation")
    default: str = Field(description="what the default is")
    tasks: list[ConfirmedTask] = Field(description="the tasks, in the order of the job")
    sentences: list[str] = Field(description="the results of the tests in words")
