"""Trials replayed from events: best evaluations, ranking and winners, and what holds of any journal."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gluetune.events import (
    Event,
    Journal,
    JournalReader,
    StepLogged,
    TrialStatus,
    WinnerEvaluated,
    apply_event,
    ranking,
    replay_events,
    winners,
)
from gluetune.storage import Storage
from sample_search import BEGIN, ended, evaluated, events, folded, started


def names(journal: list[Event], tasks: tuple[str, ...] = ("cola", "mnli")) -> list[str]:
    return [trial.name for trial in winners(folded(journal).values(), tasks)]


def scored(number: int) -> WinnerEvaluated:
    return WinnerEvaluated(time=BEGIN + 900, number=number, task="cola", scores={}, folder="winners/cola")


def test_a_trial_is_valued_by_its_first_best_evaluation() -> None:
    scores = (0.2, 0.7, 0.7, 0.1)
    trial = replay_events([started(0, "cola"), *(evaluated(0, index, score) for index, score in enumerate(scores, 1))])[
        0
    ]
    assert trial.best_score == 0.7
    assert trial.best is not None
    assert trial.best.index == 2


def test_an_evaluation_reported_twice_replaces_the_earlier_one() -> None:
    trial = replay_events([started(0, "cola"), evaluated(0, 1, 0.2), evaluated(0, 2, 0.9), evaluated(0, 2, 0.3)])[0]
    assert [e.score for e in trial.evaluations] == [0.2, 0.3]


def test_a_stopped_trial_counts_as_running_after_its_next_evaluation() -> None:
    events: list[Event] = [started(0, "cola"), ended(0, "stopped")]
    assert not replay_events(events)[0].status.final
    assert replay_events([*events, evaluated(0, 1, 0.1)])[0].status is TrialStatus.RUNNING


def test_ranking_puts_the_best_first_and_omits_other_tasks_and_trials_without_scores() -> None:
    trials = replay_events(
        [
            started(0, "cola"),
            started(1, "cola"),
            started(2, "mrpc"),
            started(3, "cola"),
            evaluated(0, 1, 0.1),
            evaluated(1, 1, 0.4),
            evaluated(2, 1, 0.9),
        ]
    )
    assert [t.number for t in ranking(trials.values(), "cola")] == [1, 0]


def test_the_best_of_each_task_in_the_order_of_the_tasks() -> None:
    assert names(events()) == ["cola-0000", "mnli-0001"]
    assert names(events(), ("mnli", "rte", "cola")) == ["mnli-0001", "cola-0000"]


@pytest.mark.parametrize(
    ("status", "winner"),
    [("finished", "cola-0004"), ("stopped", "cola-0004"), ("failed", "cola-0004"), (None, "cola-0000")],
)
def test_a_stopped_trial_can_win_and_a_running_one_cannot(status: str | None, winner: str) -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9)]
    assert names([*journal, ended(4, status)] if status else journal, ("cola",)) == [winner]


def test_a_winner_that_trains_further_is_no_longer_evaluated() -> None:
    journal = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped"), scored(0)]
    assert folded(journal)[0].winner is not None
    assert folded([*journal, evaluated(0, 2, 0.4), ended(0)])[0].winner is None


def test_a_task_has_one_evaluated_winner() -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9), ended(4), scored(4)]
    assert [trial.number for trial in folded(journal).values() if trial.winner] == [1, 4]


TASKS = ("cola", "mnli")
STATUSES = ("finished", "pruned", "diverged", "out_of_memory", "failed", "stopped")


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Events of up to four trials in any possible order; after a restart, evaluations are reported again."""
    events: list[Event] = []
    evaluations: dict[int, int] = {}
    for _ in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(["started", "evaluated", "logged", "ended"]))
        if kind == "started" or not evaluations:
            if len(evaluations) == 4:
                continue
            number = len(evaluations)
            events.append(started(number, draw(st.sampled_from(TASKS))))
            evaluations[number] = 0
            continue
        number = draw(st.sampled_from(sorted(evaluations)))
        if kind == "evaluated":
            index = draw(st.integers(max(1, evaluations[number] - 1), evaluations[number] + 1))
            events.append(evaluated(number, index, draw(st.floats(-1, 1))))
            evaluations[number] = index
        elif kind == "logged":
            step = draw(st.integers(1, 60))
            events.append(
                StepLogged(
                    time=1.0, number=number, step=step, epoch=0.1, loss=0.7, learning_rate=1e-4, examples_per_second=9.0
                )
            )
        else:
            events.append(ended(number, draw(st.sampled_from(STATUSES))))
    return events


@given(events=journals(), data=st.data())
def test_a_prefix_and_then_the_rest_is_the_whole(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    trials = replay_events(events[:cut])
    before = copy.deepcopy(trials)
    for event in events[cut:]:
        apply_event(trials, event)
    assert trials == replay_events(events)
    assert before == replay_events(events[:cut])


@given(events=journals())
def test_evaluations_count_up_from_one(events: list[Event]) -> None:
    for trial in replay_events(events).values():
        assert [evaluation.index for evaluation in trial.evaluations] == list(range(1, len(trial.evaluations) + 1))
        steps = [log.step for log in trial.logs]
        assert steps == sorted(set(steps))


@given(events=journals(), data=st.data())
@hypothesis_settings(max_examples=40)
def test_a_journal_is_read_back_without_a_last_line_that_was_cut(
    events: list[Event], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    storage = Storage(str(tmp_path_factory.mktemp("journal")))
    journal = Journal(storage)
    for event in events:
        journal.append(event)
    assert JournalReader(storage).events == events
    assert JournalReader(storage).trials == journal.trials
    name = "journal/000000.jsonl"
    whole = storage.read(name) or b""
    lines = whole.splitlines(keepends=True)
    storage.write(name, whole[: len(whole) - data.draw(st.integers(1, len(lines[-1]) - 1))])
    if len(events) == 1:  # a journal without a whole line is one that has not begun
        assert JournalReader(storage).events == []
        return
    torn = Journal(storage)
    assert torn.events == events[:-1]
    torn.append(events[-1])
    assert storage.read(name) == whole
