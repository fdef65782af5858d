"""What every scheduler must hold, on made-up learning curves in place of training."""

import random
from typing import Any

import pytest

from gluetune.config import SchedulerConfig
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.schedulers import SCHEDULERS, TaskPruners, make_pruner
from sample_search import evaluated

EPOCHS = 8
CUTTING = tuple(name for name in SCHEDULERS if name != "none")


def make(name: Any, grace: float = 1.0, factor: Any = 2.0, seed: int = 0) -> Any:
    settings = {"none": {}, "median": {"grace_epochs": grace}}
    used = settings.get(name, {"grace_epochs": grace, "reduction_factor": factor})
    return make_pruner(SchedulerConfig(name=name, **used), EPOCHS, seed)


def curve(quality: Any, epoch: Any) -> Any:
    return quality * (1 - 0.5 ** (epoch + 1))


def train(pruner: Any, number: int, quality: Any, every: Any = 1.0) -> Any:
    """Train one trial to its end or until it is cut; return the epochs it was evaluated at."""
    epochs = []
    for i in range(1, round(EPOCHS / every) + 1):
        epochs.append(i * every)
        if not pruner.report(number, epochs[-1], curve(quality, epochs[-1])):
            break
    pruner.complete(number, epochs[-1], curve(quality, epochs[-1]))
    return epochs


def warmup(number: int) -> Any:
    """Epochs: every third trial warms up for long."""
    return 2.5 if number % 3 == 0 else 0.0


def interleave(pruner: Any, qualities: Any, lanes: Any = 4, warmup: Any = lambda number: 0.0) -> Any:
    """Train trials ``lanes`` at a time, evaluation by evaluation; return (number, epoch, answer) in order."""
    reported, waiting, running = [], list(enumerate(qualities)), {}  # type: ignore[var-annotated]
    while waiting or running:
        while waiting and len(running) < lanes:
            number, quality = waiting.pop(0)
            running[number] = (quality, 0)
        for number, (quality, epoch) in list(running.items()):
            answer = pruner.report(number, epoch + 1, curve(quality, epoch + 1), warmup(number))
            reported.append((number, epoch + 1, answer))
            running[number] = (quality, epoch + 1)
            if not answer or epoch + 1 == EPOCHS:
                del running[number]
    return reported


def records(reported: Any, qualities: Any, warmup: Any = lambda number: 0.0) -> Any:
    """The journal's trials for what was reported."""
    trials = {}  # type: ignore[var-annotated]
    for time, (number, epoch, answer) in enumerate(reported):
        trial = trials.setdefault(
            number,
            TrialRecord(
                number, "cola", {}, {"warmup_ratio": warmup(number) / EPOCHS, "num_train_epochs": EPOCHS}, 0, 0.0
            ),
        )
        score = curve(qualities[number], epoch)
        trial.evaluations.append(
            evaluated(number, epoch, score, step=epoch, total_steps=EPOCHS, steps_per_epoch=1, time=float(time))
        )
        ended = epoch == EPOCHS or not answer
        trial.status = TrialStatus.RUNNING if not ended else (TrialStatus.FINISHED if answer else TrialStatus.PRUNED)
    return list(trials.values())


def qualities(count: Any, seed: int = 0) -> Any:
    return random.Random(seed).sample([i / count for i in range(1, count + 1)], count)


def test_none_cuts_nothing() -> None:
    assert all(len(train(make("none"), number, quality)) == EPOCHS for number, quality in enumerate(qualities(12)))


@pytest.mark.parametrize("name", CUTTING)
def test_clearly_bad_trials_are_cut(name: Any) -> None:
    pruner = make(name)
    for number in range(20):
        assert len(train(pruner, number, 0.8)) == EPOCHS
    bad = [len(train(pruner, number, 0.1)) for number in range(20, 40)]
    assert sum(bad) < 0.7 * EPOCHS * 20
    assert min(bad) < EPOCHS / 2


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_is_never_cut(name: Any, seed: int) -> None:
    values = qualities(30, seed)
    reported = interleave(make(name), values)
    best = values.index(max(values))
    assert [epoch for number, epoch, answer in reported if number == best and answer] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("grace", [1.0, 2.5, 4.0])
def test_nothing_is_cut_before_the_grace_period_is_over(name: Any, grace: float) -> None:
    reported = interleave(make(name, grace=grace), qualities(40))
    cut = [epoch for _, epoch, answer in reported if not answer]
    assert cut
    assert min(cut) >= grace


@pytest.mark.parametrize("name", CUTTING)
def test_nothing_is_cut_while_most_of_its_training_was_warm_up_and_other_trials_are(name: Any) -> None:
    reported = interleave(make(name, factor=1.8), qualities(60), warmup=warmup)
    cuts = [(number, epoch) for number, epoch, answer in reported if not answer]
    assert min(epoch for number, epoch in cuts if warmup(number)) >= 5
    assert min(epoch for number, epoch in cuts if not warmup(number)) == 1


@pytest.mark.parametrize("name", CUTTING)
def test_the_first_trials_have_nothing_to_be_compared_with(name: Any) -> None:
    pruner = make(name)
    assert [len(train(pruner, number, 0.9 - number / 10)) for number in range(3)] == [EPOCHS] * 3


@pytest.mark.parametrize("name", SCHEDULERS)
def test_telling_an_evaluation_again_changes_nothing(name: Any) -> None:
    values = qualities(40)
    once = interleave(make(name), values)
    pruner, seen = make(name), []
    for number, epoch, answer in once:
        for earlier in (epoch, epoch - 1, epoch):
            seen.append(pruner.report(number, earlier, curve(values[number], earlier)) or not answer)
            assert not (answer and not seen[-1])
        assert pruner.report(number, epoch, curve(values[number], epoch)) == answer


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("cut_at", [0, 17, 60])
def test_resumed_scheduler_decides_as_the_undisturbed_one(name: Any, cut_at: Any) -> None:
    values = qualities(40)
    undisturbed = interleave(make(name), values, warmup=warmup)
    assert len(undisturbed) > 60
    resumed = make(name)
    resumed.replay(reversed(records(undisturbed[:cut_at], values, warmup)))
    for number, epoch, answer in undisturbed[cut_at:]:
        assert resumed.report(number, epoch, curve(values[number], epoch), warmup(number)) == answer


@pytest.mark.parametrize("name", CUTTING)
def test_trial_cut_but_restarted_before_its_end_was_written_stays_cut(name: Any) -> None:
    values = qualities(40)
    reported = interleave(make(name), values)
    number, epoch, _ = next(entry for entry in reported if not entry[2])
    resumed = make(name)
    resumed.replay(records(reported, values))
    assert not resumed.report(number, epoch + 1, 1.0)


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("score", [None, float("nan")])
def test_trials_without_a_score_rank_last(name: Any, score: Any) -> None:
    pruner = make(name)
    for number in range(20):
        train(pruner, number, 0.5)
    cut = [not all(pruner.report(number, epoch, score) for epoch in range(1, EPOCHS)) for number in range(20, 40)]
    assert sum(cut) >= 10
    assert len(train(pruner, 99, 0.9)) == EPOCHS


@pytest.mark.parametrize("name", SCHEDULERS)
def test_equal_trials_are_all_kept(name: Any) -> None:
    pruner = make(name)
    assert all(len(train(pruner, number, 0.5)) == EPOCHS for number in range(20))


@pytest.mark.parametrize("name", CUTTING)
def test_evaluations_by_fractions_of_an_epoch_cut_too(name: Any) -> None:
    pruner = make(name, grace=0.5)
    lengths = [len(train(pruner, number, quality, every=0.1)) for number, quality in enumerate(qualities(40))]
    assert 5 <= min(lengths) < 80 == max(lengths)


def test_tasks_are_judged_apart() -> None:
    pruners = TaskPruners(["cola", "rte"], SchedulerConfig(name="asha"), EPOCHS, seed=0)
    for number in range(0, 20, 2):
        assert pruners.report("cola", number, 1.0, 0.9)
    assert pruners.report("rte", 21, 1.0, 0.1)
    assert not pruners.report("cola", 22, 1.0, 0.1)
