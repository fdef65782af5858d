"""What holds of any journal: folding in parts, reading back, and last lines that were cut short."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gluetune.events import Event, Journal, StepLogged
from gluetune.events.trials import apply_event, replay_events
from gluetune.storage import Storage
from sample_search import ended, evaluated, started

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
    assert Journal(storage).events == events
    assert Journal(storage).trials == journal.trials
    name = "journal/000000.jsonl"
    whole = storage.read(name) or b""
    lines = whole.splitlines(keepends=True)
    storage.write(name, whole[: len(whole) - data.draw(st.integers(1, len(lines[-1]) - 1))])
    if len(events) == 1:  # a journal without a whole line is one that has not begun
        assert Journal(storage).events == []
        return
    torn = Journal(storage)
    assert torn.events == events[:-1]
    torn.append(events[-1])
    assert storage.read(name) == whole
