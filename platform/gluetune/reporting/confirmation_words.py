"""The results of a confirmation's tests in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from gluetune.reporting import formatting
from gluetune.reporting.confirmation_schema import ConfirmationTest, ConfirmedConfigurationSummary, ConfirmedTask

_NAMES = {"default": "the default", "second": "the second-best configuration"}
_SMALLEST = 0.0001  # below it, a p-value is only bounded


def sentences(tasks: Sequence[ConfirmedTask]) -> Iterator[str]:
    """Yield what the tests say: of one task with the numbers, of several how many of them have a difference.

    Args:
        tasks: the tasks of a confirmation, with their tests.
    """
    for against in ("default", "second"):
        tested = [(task, test) for task in tasks for test in task.tests if test.against == against]
        if len(tested) == 1:
            yield _of_one(*tested[0], corrected=len(tasks) > 1)
        elif tested:
            yield _of_several(tested, _NAMES[against])
    if best := [task.title for task in tasks if task.configurations and task.configurations[0].default]:
        yield f"the default is the best configuration of the search on {', '.join(best)}"
    if biased := [task.title for task in tasks if not task.chose_nothing]:
        yield (
            f"{', '.join(biased)}: scored on the selection rows, which chose the best configuration, because there are "
            "no others: its scores are too good, and so are the tests"
        )


def describe_test(test: ConfirmationTest, metric: str, *, corrected: bool) -> str:
    """Return the numbers of a test: ``MCC +0.0312 (95% interval 0.0101 to 0.0523, p = 0.0041)``.

    Args:
        test: the test.
        metric: name of the metric.
        corrected: whether to name Holm's correction, which p-values of several tasks have.
    """
    by = " with Holm's correction" if corrected else ""
    return (
        f"{formatting.metric(metric)} {test.difference:+.4f} (95% interval {test.low:.4f} to {test.high:.4f}, "
        f"{format_p(test.adjusted_p_value)}{by})"
    )


def configuration_name(each: ConfirmedConfigurationSummary, no_rank: str = "–") -> str:
    """Return a configuration's rank, its trial, and whether it is the default: ``1. cola-0003 (default)``.

    Args:
        each: the configuration.
        no_rank: what stands in the place of the rank of one that the search has not ranked.
    """
    rank = no_rank if each.rank is None else f"{each.rank}."
    return f"{rank} {each.trial or 'not tried'}".lstrip() + (" (default)" if each.default else "")


def format_mean(each: ConfirmedConfigurationSummary) -> str:
    """Return the mean over seeds with its standard deviation: ``0.5213 ± 0.0121``."""
    if each.mean is None:
        return "–"
    return f"{each.mean:.4f}" + ("" if each.standard_deviation is None else f" ± {each.standard_deviation:.4f}")


def format_interval(each: ConfirmedConfigurationSummary) -> str:
    """Return the 95% interval of the mean: ``0.4756 to 0.6296``."""
    return "–" if each.low is None or each.high is None else f"{each.low:.4f} to {each.high:.4f}"


def format_p(value: float) -> str:
    """Return a p-value with two digits: ``p = 0.0041``, ``p < 0.0001``."""
    return f"p < {_SMALLEST}" if value < _SMALLEST else f"p = {value:.2g}"


def _of_one(task: ConfirmedTask, test: ConfirmationTest, *, corrected: bool) -> str:
    name = _NAMES[test.against]
    verdicts: dict[Literal["better", "worse", "no difference"], str] = {
        "better": f"is better than {name}",
        "worse": f"is worse than {name}",
        "no difference": f"is not significantly different from {name}",
    }
    numbers = describe_test(test, task.metric, corrected=corrected)
    return f"{task.title}: the best configuration {verdicts[test.verdict]}: {numbers}"


def _of_several(tested: list[tuple[ConfirmedTask, ConfirmationTest]], name: str) -> str:
    better, worse = (
        [task.title for task, test in tested if test.verdict == verdict] for verdict in ("better", "worse")
    )
    count = f"{len(better)} of {len(tested)} tasks (p < 0.05)"
    text = f"the best configuration is better than {name} on {count}" + (f": {', '.join(better)}" if better else "")
    return text + (f"; worse on {', '.join(worse)}" if worse else "")
