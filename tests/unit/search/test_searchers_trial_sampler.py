"""Settings, seeds and errors of dealt trials."""

import pytest

from gluetune.config import SearchSpace, TrainingConfig
from gluetune.errors import ConfigError
from gluetune.events import Evaluated, TrialRecord, TrialStatus
from gluetune.search.searchers import TrialSampler
from gluetune.search.searchers.sampler import derive

CHOICES = {
    "batch_size": {"type": "choice", "values": [16, 32]},
    "lr_scheduler_type": {"type": "choice", "values": ["linear", "cosine"]},
}
REAL = {"weight_decay": {"type": "float", "low": 0.0, "high": 0.3}}


def make(fields=CHOICES, algorithm="grid", training=None, tasks=None, num_samples=None, **rest):
    space = SearchSpace.model_validate({"name": "s", "space": fields, **rest})
    return TrialSampler(tasks or {"cola": 1.0}, space, algorithm, TrainingConfig(**training or {}), 42, num_samples)


def evaluation(number, score):
    return Evaluated(
        time=0.0,
        number=number,
        index=1,
        step=10,
        epoch=1.0,
        score=score,
        metrics={},
        eval_loss=0.0,
        train_loss=0.0,
        learning_rate=0.0,
    )


def test_searched_fields_go_over_the_jobs_and_those_over_the_spaces():
    space = SearchSpace.model_validate(
        {"name": "s", "space": CHOICES, "training": {"weight_decay": 0.1, "adam_epsilon": 1e-6}}
    )
    deal = TrialSampler({"cola": 1.0}, space, "grid", TrainingConfig(weight_decay=0.2), 42, None).deal()
    assert deal.params == {"batch_size": 16, "lr_scheduler_type": "linear"}
    assert deal.training == TrainingConfig(weight_decay=0.2, adam_epsilon=1e-6, batch_size=16).model_dump()


def test_trial_seed_is_the_jobs_unless_training_sets_or_searches_it():
    assert make().deal().seed == 42
    assert make(training={"seed": 7}).deal().seed == 7
    seeds = make({"seed": {"type": "choice", "values": [3, 1, 2]}})
    assert [seeds.deal().seed for _ in range(3)] == [3, 1, 2]


def test_grid_deals_points_first_then_the_rest_in_order():
    dealer = make(points=({"batch_size": 32, "lr_scheduler_type": "linear"},))
    dealt = [tuple(dealer.deal().params.values()) for _ in range(4)]
    assert dealt == [(32, "linear"), (16, "linear"), (16, "cosine"), (32, "cosine")]
    assert dealer.deal() is None


def test_task_that_ended_leaves_its_lanes_to_the_others():
    dealer = make(tasks={"cola": 1.0, "rte": 3.0})
    tasks = [dealer.deal().task for _ in range(8)]
    assert tasks.count("cola") == tasks.count("rte") == 4
    assert tasks[-2:] == ["cola", "cola"]
    assert dealer.exhausted


def test_planned_is_the_smaller_of_budget_and_space():
    assert make().planned("cola") == 4
    assert make(num_samples=3).planned("cola") == 3
    assert make(num_samples=9).planned("cola") == 4
    assert make(REAL, "random", num_samples=9).planned("cola") == 9
    assert make(REAL, "random").planned("cola") is None
    assert not make(REAL, "random").exhausted


def test_a_second_end_of_a_trial_changes_nothing():
    dealer = make(algorithm="tpe")
    deal = dealer.deal()
    for _ in range(2):
        dealer.ended(deal.number, TrialStatus.FINISHED, 0.5)
    assert sum(dealer.deal() is not None for _ in range(5)) == 3


def next_deal_after(*ends):
    """What is dealt after four trials, the last of which ended so (status and score) or is still running."""
    dealer = make(REAL, "tpe", num_samples=9)
    for score in (0.1, 0.5, 0.9):
        dealer.ended(dealer.deal().number, TrialStatus.FINISHED, score)
    last = dealer.deal()
    for status, score in ends:
        dealer.ended(last.number, status, score)
    return dealer.deal()


def test_stopped_trial_counts_as_running():
    assert next_deal_after((TrialStatus.STOPPED, 5.0)) == next_deal_after()
    finished = (TrialStatus.FINISHED, 5.0)
    assert next_deal_after((TrialStatus.STOPPED, 5.0), finished) == next_deal_after(finished) != next_deal_after()


def test_nan_is_no_score():
    for status in (TrialStatus.DIVERGED, TrialStatus.FAILED):
        assert next_deal_after((status, float("nan"))) == next_deal_after((status, None))


def test_points_that_an_earlier_run_has_tried_are_not_dealt_again():
    points = ({"batch_size": 32, "lr_scheduler_type": "linear"}, {"batch_size": 32, "lr_scheduler_type": "cosine"})
    deal = make(points=points).deal()
    resumed = make(points=points)
    resumed.replay([TrialRecord(deal.number, deal.task, deal.params, deal.training, 42, 0.0, TrialStatus.FAILED)])
    assert resumed.deal().params == points[1]
    assert len({tuple(resumed.deal().params.values()) for _ in range(2)}) == 2
    assert resumed.deal() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": {"cola": 1.0, "rte": 0.0}}, r"tasks\.rte: `weight > 0` must hold, but got 0\.0"),
        ({"fields": REAL}, r"space\.weight_decay: a grid needs finitely"),
        ({"points": ({"batch_size": 64, "lr_scheduler_type": "linear"},)}, r"space\.batch_size: .* but got 64"),
        (
            {"fields": {"lr_scheduler_type": CHOICES["lr_scheduler_type"]}, "algorithm": "cmaes"},
            r"search\.algorithm: cmaes needs a numeric field, but got \(lr_scheduler_type\); use 'tpe'",
        ),
    ],
)
def test_what_cannot_be_dealt_is_refused_at_once(change, message):
    with pytest.raises(ConfigError, match=message):
        make(**change)


def test_seeds_are_the_same_in_every_process():
    seeds = [derive(42, "cola"), derive(42, "cola", 1), derive(42, "rte"), derive(43, "cola")]
    assert seeds == [2011152981, 2095299208, 3792302289, 2702610285]


def test_a_choice_made_ahead_is_dealt_next_and_only_once():
    ahead, plain = make(tasks={"cola": 1.0, "rte": 3.0}), make(tasks={"cola": 1.0, "rte": 3.0})
    dealt = []
    while not ahead.exhausted:
        ahead.prepare()
        ahead.prepare()
        dealt.append(ahead.deal())
    assert dealt == [plain.deal() for _ in range(8)]
    ahead.prepare()
    assert ahead.deal() is None


def test_a_choice_made_ahead_does_not_know_what_comes_after_it():
    def third(*, ahead):
        dealer = make(REAL, "tpe", num_samples=9)
        for score in (0.1, 0.9, 0.5, 0.2):
            dealer.ended(dealer.deal().number, TrialStatus.FINISHED, score)
        last = dealer.deal()
        if ahead:
            dealer.prepare()
        dealer.ended(last.number, TrialStatus.FINISHED, 5.0)
        return dealer.deal()

    assert third(ahead=True) != third(ahead=False)
    assert third(ahead=True) == third(ahead=True)


def test_a_choice_made_ahead_but_not_dealt_leaves_no_trace_in_a_resumed_search():
    ended = []
    dealer = make(REAL, "tpe", num_samples=9)
    for score in (0.1, 0.9, 0.5, 0.2):
        deal = dealer.deal()
        dealer.ended(deal.number, TrialStatus.FINISHED, score)
        trial = TrialRecord(deal.number, deal.task, deal.params, deal.training, 42, 0.0, TrialStatus.FINISHED)
        trial.evaluations.append(evaluation(deal.number, score))
        ended.append(trial)
    dealer.prepare()  # and here the driver dies
    resumed = make(REAL, "tpe", num_samples=9)
    resumed.replay(ended)
    assert resumed.deal() == dealer.deal()
