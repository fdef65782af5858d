"""What the user reads of costs, budgets and estimates: in the table, at the end, in ``summary.json``."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gluetune.config import LanesConfig, StopRuleConfig, price_of
from gluetune.events import (
    Journal,
    JournalEvent,
    SearchEvent,
    SessionEnded,
    SessionStarted,
    Spent,
    StepLogged,
    TaskEnded,
)
from gluetune.reporting import LiveTable, Summary, print_plan, print_results, summarise, write_summary
from gluetune.reporting.costs import budget_warning, recorded_cost_lines
from gluetune.reporting.estimate import CostEstimator, first_estimate
from gluetune.reporting.progress import EtaEstimator
from gluetune.reporting.run_files import RunFiles
from recorded_folders import write_search
from sample_search import BEGIN, COLA, MNLI, ended, evaluated, events, folded, plan, started

HELD = BEGIN - 10
END = SessionEnded(time=BEGIN + 510, status="complete")
CLOSED = TaskEnded(
    time=BEGIN + 300, task="cola", trials=2, further_trials=10, expected_gain=0.0004, threshold=0.001, patience=5
)


def session(**changes: Any) -> SessionStarted:
    fields: dict[str, Any] = {
        "time": BEGIN,
        "held_since": HELD,
        "lanes": 2,
        "workers_per_lane": 1,
        "cpus_per_worker": 2.0,
        "gpus_per_worker": 0.5,
    }
    return SessionStarted(**(fields | changes))


def history(*more: SearchEvent) -> list[JournalEvent]:
    """The sample search as one session of 520 seconds."""
    return [session(), *events(), *more]


def summary(journal: list[JournalEvent], status: Any = "complete", **changes: Any) -> Summary:
    trials = folded(event for event in journal if not isinstance(event, SearchEvent)).values()
    return summarise(plan(**changes), trials, status=status, session_started=BEGIN, now=BEGIN + 510, history=journal)


def printed(of: Summary) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_results(of, console)
    shown: str = console.file.getvalue()
    return " ".join(shown.split())


def test_costs_of_search_tasks_and_trials_add_up() -> None:
    made = summary(history(END), cost_per_hour=3.0)
    assert made.costs is not None
    assert made.costs.lane_seconds.total == 2 * 520
    assert made.costs.cpu_seconds.total == 2 * 520 * 2.0
    assert made.costs.gpu_seconds.training == (7 * 8 + 50) * 0.5, "50 s up to the divergence of the last trial"
    assert made.costs.cost == pytest.approx(3.0 * 2 * 520 * 0.5 / 3600), "a price alone is that of a GPU"
    assert (made.held_seconds, made.sessions) == (520, 1)
    for task in made.tasks:
        assert task.costs is not None
        own = [trial.costs for trial in made.trials if trial.task == task.task]
        assert task.costs.lane_seconds.training == pytest.approx(
            sum(each.lane_seconds.training or 0 for each in own if each)
        )
    text = printed(made)
    assert re.search(r"used: 8\.67 GPU-minutes, 34\.7 CPU-minutes \(.*training.*\), cost 0\.43", text), text


@pytest.mark.parametrize(
    ("price", "gpus", "cost"),
    [(2.0, True, 2.0 * 4), (2.0, False, 2.0 * 10), ({"gpu": 2.0, "cpu": 0.1}, True, 9.0), ({"cpu": 0.1}, True, 1.0)],
)
def test_prices(price: Any, gpus: bool, cost: float) -> None:
    given = LanesConfig(cost_per_hour=price).cost_per_hour
    assert given is not None
    assert price_of(given, 36_000, 14_400, gpus=gpus) == pytest.approx(cost)


def test_the_spent_part_of_a_budget_is_reported() -> None:
    made = summary(history(END), "out_of_budget", budget={"cpu_hours": 0.5, "trials": 8.0})
    assert {name: (each.limit, each.spent) for name, each in made.budget.items()} == {
        "cpu_hours": (0.5, pytest.approx(2 * 520 * 2 / 3600)),
        "trials": (8, 4),
    }
    text = printed(made)
    assert "0.578 of 0.5 CPU-hours" in text
    assert "4 of 8 trials" in text


def test_what_an_ended_task_saved() -> None:
    """CoLA's two trials took 36 seconds of a lane; of ten planned ones eight were not run."""
    planned = (replace(COLA, planned=10), MNLI)
    made = summary(history(CLOSED, END), tasks=planned)
    early = made.tasks[0].ended_early
    assert early is not None
    assert (early.trials, early.trials_saved, early.lane_seconds_saved) == (2, 8, 8 * 18.0)
    assert (early.cpu_seconds_saved, early.gpu_seconds_saved) == (8 * 36.0, 8 * 9.0)
    assert made.tasks[1].ended_early is None
    assert re.search(r"CoLA: no further trials after 2: .*0\.001.*saved 8 trials, about 2 min 24 s", printed(made))
    assert made.estimate is None or made.estimate.error is None, "not all planned trials were run"


def test_a_summary_is_of_all_events_also_where_the_clock_of_a_lane_is_ahead(tmp_path: Path) -> None:
    """A run is complete where nothing was recorded after its summary."""
    folder = write_search(tmp_path, "ahead")
    last = evaluated(0, 3, 0.4, time=BEGIN + 9000)
    for event in (last, ended(0)):
        Journal(folder).append(event)
    write_summary(folder, summary([*events(), last, ended(0)]))
    assert RunFiles(folder, "ahead").state == "complete"


@pytest.mark.parametrize(("budget", "saved"), [(4, 0), (6, 2), (20, 8)])
def test_trials_of_a_budget_that_other_tasks_started_are_not_saved(budget: int, saved: int) -> None:
    """The search has started four trials; CoLA was to have ten of them."""
    tasks = (replace(COLA, planned=10), MNLI)
    early = summary(history(CLOSED, END), tasks=tasks, budget={"trials": budget}).tasks[0].ended_early
    assert early is not None
    assert early.trials_saved == saved


def test_a_journal_without_sessions_leaves_numbers_unknown() -> None:
    made = summary(list(events()))
    assert made.costs is not None
    assert (made.costs.lane_seconds.training, made.costs.lane_seconds.idle) == (106.0, None)
    assert (made.costs.gpu_seconds.training, made.costs.cost, made.held_seconds) == (None, None, None)
    assert "used:" not in printed(made)
    assert list(recorded_cost_lines(events(), {}, None)) == []


def test_a_recorded_run_says_what_it_used_and_spent() -> None:
    job = {"lanes": {"cost_per_hour": {"cpu": 0.1}}, "search": {"budget": {"seconds": 600, "trials": None}}}
    lines = dict(recorded_cost_lines(history(END), job, None))
    assert "34.7 CPU-minutes" in lines["used"]
    assert "cost 0.058" in lines["used"]
    assert lines["budget"] == "520 of 600 seconds spent"


def test_what_a_confirmation_used_is_part_of_what_is_spent() -> None:
    later: list[JournalEvent] = [session(time=BEGIN + 600, held_since=BEGIN + 600)]
    later.append(SessionEnded(time=BEGIN + 640, status="complete"))
    lines = dict(recorded_cost_lines(history(END), {"search": {"budget": {"seconds": 600}}}, None, later))
    assert "2.67 CPU-minutes" in lines["used to confirm"]
    assert lines["budget"] == "560 of 600 seconds spent"


PLANNED = plan(
    tasks=(
        replace(COLA, planned=4, rows_per_trial=3 * 1800.0, evaluations_per_trial=3.0),
        replace(MNLI, planned=2, rows_per_trial=3 * 2400.0, evaluations_per_trial=3.0),
    )
)


def log(number: int, time: float, speed: float) -> StepLogged:
    return StepLogged(
        time=time, number=number, step=5, epoch=0.1, loss=0.5, learning_rate=1e-4, examples_per_second=speed
    )


def test_an_estimate_from_the_first_logged_steps() -> None:
    """At 100 rows a second CoLA trains 54 s, MNLI 72 s; the evaluation of a row takes a third of its training."""
    journal: list[JournalEvent] = [session(), started(0, "cola"), started(1, "mnli"), log(0, BEGIN + 5, 100.0)]
    found = first_estimate(PLANNED, journal)
    assert found is not None
    work = 4 * (54 + 3 * 200 / 300) + 2 * (72 + 3 * 240 / 300)
    assert found.at == 15
    assert found.total.seconds == pytest.approx(15 + work / 2)
    assert found.total.cpu_hours == pytest.approx(2 * 2 * (15 + work / 2) / 3600)
    assert found.total.gpu_hours == pytest.approx(2 * 0.5 * (15 + work / 2) / 3600)


def test_nothing_is_estimated_before_a_step_was_measured_or_without_a_number_of_trials() -> None:
    assert first_estimate(PLANNED, [session(), started(0, "cola")]) is None
    endless = plan(tasks=(replace(COLA, planned=None, rows_per_trial=1.0),))
    assert first_estimate(endless, [session(), started(0, "cola"), log(0, BEGIN + 5, 100.0)]) is None


def test_ended_trials_replace_what_was_planned_and_ended_tasks_need_nothing() -> None:
    estimator = CostEstimator(PLANNED)
    journal: list[JournalEvent] = [session(), started(0, "cola"), started(1, "mnli")]
    journal += [evaluated(0, index, 0.5) for index in (1, 2)]
    estimator.replay([*journal, ended(0, "pruned")])
    estimator.on_search_event(session(time=BEGIN + 100, held_since=BEGIN + 100))
    found = estimator.estimate(BEGIN + 100)
    assert found is not None
    mnli = 2 * (3 * 2400 * 8 / 1800 + 3 * 240 * 8 / 1800 / 3)
    assert found.total.seconds == pytest.approx(110 + (3 * 18 + mnli) / 2)
    estimator.on_search_event(CLOSED)
    ended_task = estimator.estimate(BEGIN + 100)
    assert ended_task is not None
    assert ended_task.total.seconds == pytest.approx(110 + mnli / 2)


def test_a_resumed_search_adds_what_its_earlier_sessions_spent() -> None:
    estimator = CostEstimator(PLANNED)
    estimator.replay([session(), started(0, "cola"), evaluated(0, 1, 0.5)])  # killed after 20 seconds
    assert estimator.estimate(BEGIN + 900) is None
    assert estimator.spent(BEGIN + 900).seconds == 20
    estimator.on_search_event(session(time=BEGIN + 1000, held_since=BEGIN + 1000))
    assert estimator.spent(BEGIN + 1030) == Spent(50, 50 * 2 * 2 / 3600, 50 * 2 * 0.5 / 3600)
    assert estimator.estimate(BEGIN + 1030) is not None, "by the speed that the earlier session measured"


def test_an_earlier_session_on_a_machine_whose_clock_is_ahead_adds_its_own_time_only() -> None:
    estimator = CostEstimator(PLANNED)
    for held_since in (HELD + 3600, HELD, HELD + 20):
        estimator.on_search_event(session(time=held_since + 1, held_since=held_since))
    assert estimator.spent(HELD + 30).seconds == pytest.approx(1 + 1 + 10)


@pytest.mark.parametrize(("limit", "warned"), [(4.0, True), (7.0, False)])
def test_a_search_that_needs_more_than_its_budget_is_warned_of(limit: float, warned: bool) -> None:
    said = budget_warning(Spent(9000, 40, 6.2), {"gpu_hours": limit, "trials": 3})
    assert ("6.2 GPU-hours" in said and "budget is 4" in said) is warned


def live(terminal: bool) -> tuple[LiveTable, Console]:
    console = Console(file=io.StringIO(), width=160, force_terminal=terminal, color_system=None)
    return LiveTable(replace(PLANNED, budget={"cpu_hours": 0.01}), console), console


def test_lines_say_once_what_the_search_needs_and_that_the_budget_is_less() -> None:
    table, console = live(terminal=False)
    trials = folded([started(0, "cola"), started(1, "mnli")])
    with table:
        table.on_search_event(session())
        for event in (log(0, BEGIN + 5, 100.0), log(0, BEGIN + 6, 100.0)):
            table.on_event(event, trials[0])
        table.on_search_event(CLOSED)
    shown: str = console.file.getvalue()
    assert shown.count("on 2 lanes in all") == 1
    assert len(re.findall(r"needs about .* CPU-hours, but the budget is 0\.01", shown)) == 1
    assert re.search(r"CoLA ends: 10 further trials .*0\.0004", shown)


def test_the_plan_shows_budget_and_stopping_rule() -> None:
    console = Console(file=io.StringIO(), width=160)
    rule = StopRuleConfig(expected_gain_below=0.002, patience=4)
    print_plan(plan(budget={"gpu_hours": 4.0, "trials": 60.0}, stop_when=rule), console)
    shown = " ".join(console.file.getvalue().split())
    assert "4 GPU-hours, 60 trials" in shown
    assert "less than 0.002, 4 times in a row" in shown


def test_a_task_that_has_ended_takes_no_more_time() -> None:
    planned = {"cola": 10, "rte": 2}
    estimator = EtaEstimator(planned, lanes=1)
    for trial in folded(
        [started(0, "cola"), evaluated(0, 1, 0.5), ended(0), started(1, "rte"), started(2, "cola")]
    ).values():
        estimator.update(trial)
    assert estimator.remaining()["cola"] == 9 * 11
    estimator.end_task("cola")
    assert estimator.remaining() == {"cola": 9 * 2, "rte": 9 * 3}, "one trial of each runs, and one is planned"


def test_the_table_shows_what_is_spent_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: HELD + 4.5)
    table, console = live(terminal=True)
    table.on_search_event(session())
    console.print(table.render())
    shown: str = console.file.getvalue()
    assert "0.005 of 0.01 CPU-hours spent, 0.005 left" in shown


def test_the_table_counts_what_earlier_and_running_confirmations_spend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: HELD + 4.5)
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system=None)
    earlier: list[JournalEvent] = [
        session(time=HELD - 900, held_since=HELD - 900),
        SessionEnded(time=HELD - 891, status="complete"),
    ]
    table = LiveTable(replace(PLANNED, budget={"seconds": 100.0}), console, confirmation_history=earlier)
    table.on_confirmation_event(session(time=HELD + 2.5, held_since=HELD + 2.5))
    console.print(table.render())
    shown: str = console.file.getvalue()
    assert "11 of 100 seconds spent, 89 left" in shown, "nine seconds of an earlier session, and two of this one"
