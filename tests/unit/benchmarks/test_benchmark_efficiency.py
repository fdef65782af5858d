"""The share of a grid that a search trains: curves given by hand, and those that come with gluetune."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from benchmarks.comparison import BenchmarkConfig
from benchmarks.efficiency import (
    COMPARISONS,
    bootstrap_interval,
    epochs_share,
    reordered,
    search_recorded_grids,
    summarise,
)
from benchmarks.learning_curves import FOLDER, Curves, load_curves, record_curves, recorded_curves
from gluetune.config import SchedulerConfig, Value

NONE, ASHA = SchedulerConfig(name="none"), SchedulerConfig(name="asha", min_trials=1)
SPACE: dict[str, list[Value]] = {"learning_rate": [1e-3, 1e-4, 1e-5], "batch_size": [8, 16]}


def grid(*scores: list[float]) -> Curves:
    """Six points of four epochs in the grid's order."""
    return Curves(
        "cola",
        "by hand",
        "none",
        "matthews_correlation",
        1,
        1,
        0,
        {"num_train_epochs": 4},
        SPACE,
        [],
        dict(zip(itertools.product(*SPACE.values()), scores, strict=True)),
    )


FLAT = [0.1, 0.1, 0.1, 0.1]
BEST = [0.5, 0.6, 0.7, 0.8]


def test_all_epochs_that_have_begun_count_those_of_the_other_lane_too() -> None:
    fourth = grid(FLAT, FLAT, FLAT, BEST, FLAT, FLAT)
    assert epochs_share(fourth, "grid", NONE, 0, lanes=1) == pytest.approx(16 / 24)
    assert epochs_share(fourth, "grid", NONE, 0, lanes=2) == pytest.approx(16 / 24)
    first = grid(BEST, FLAT, FLAT, FLAT, FLAT, FLAT)
    assert epochs_share(first, "grid", NONE, 0, lanes=1) == pytest.approx(4 / 24)
    assert epochs_share(first, "grid", NONE, 0, lanes=2) == pytest.approx(8 / 24)


def test_half_a_point_below_the_best_is_good_enough_and_more_is_not() -> None:
    near, far = [0.1, 0.1, 0.1, 0.7951], [0.1, 0.1, 0.1, 0.7949]
    assert epochs_share(grid(near, FLAT, FLAT, FLAT, FLAT, BEST), "grid", NONE, 0, lanes=1) == pytest.approx(4 / 24)
    assert epochs_share(grid(far, FLAT, FLAT, FLAT, FLAT, BEST), "grid", NONE, 0, lanes=1) == 1.0


def test_asha_spends_less_on_bad_points() -> None:
    bad = [[0.05 - 0.01 * number] * 4 for number in range(4)]
    curves = grid([0.2, 0.2, 0.2, 0.2], *bad, BEST)
    assert epochs_share(curves, "grid", ASHA, 0, lanes=1) == pytest.approx((4 + 4 * 1 + 4) / 24)


def test_a_search_whose_scheduler_ends_the_best_trial_counts_as_the_whole_grid() -> None:
    late = [0.0, 0.0, 0.0, 0.9]
    assert epochs_share(grid(FLAT, late, FLAT, FLAT, FLAT, FLAT), "grid", ASHA, 0, lanes=1) == 1.0


def test_a_trial_that_diverged_ends_in_the_epoch_without_a_score() -> None:
    curves = grid([0.1], FLAT, FLAT, FLAT, FLAT, BEST)
    assert curves.total_epochs == 2 + 5 * 4
    assert epochs_share(curves, "grid", NONE, 0, lanes=1) == 1.0


def test_another_order_is_the_same_grid() -> None:
    curves = grid(FLAT, FLAT, FLAT, BEST, FLAT, FLAT)
    orders = {tuple(reordered(curves, seed).scores) for seed in range(8)}
    assert len(orders) > 1
    assert {order[3] for order in orders} == {(1e-4, 16), (16, 1e-4)}
    for seed in range(8):
        again = reordered(curves, seed)
        assert {name: set(values) for name, values in again.space.items()} == {
            name: set(values) for name, values in SPACE.items()
        }
        best = max(again.scores, key=lambda point: again.scores[point][-1])
        assert dict(zip(again.space, best, strict=True)) == {"learning_rate": 1e-4, "batch_size": 16}


def test_a_seed_always_gives_the_same_and_seeds_differ() -> None:
    curves = next(iter(recorded_curves()))
    config = SchedulerConfig(name="asha")
    shares = [epochs_share(curves, "tpe", config, seed) for seed in (0, 1, 0)]
    assert shares[0] == shares[2] != shares[1]


def test_the_interval_holds_the_mean_and_has_no_width_without_spread() -> None:
    found = summarise({"cola": [0.1, 0.3, 0.2, 0.4], "sst2": [0.5, 0.6, 0.7, 0.6]})
    assert (found["share"], found["cola"], found["sst2"]) == (pytest.approx(0.425), 0.25, pytest.approx(0.6))
    assert 0.3 < found["low"] < found["share"] < found["high"] < 0.55
    assert bootstrap_interval([[0.2, 0.2], [0.4, 0.4]]) == (pytest.approx(0.3), pytest.approx(0.3))


def test_random_order_finds_the_best_of_a_recorded_grid_later_than_tpe_with_asha() -> None:
    grids = [next(iter(recorded_curves()))]
    found = {
        name: search_recorded_grids(grids, name, scheduler, 0, range(4))["share"]  # type: ignore[arg-type]
        for name, scheduler in (("tpe", "asha"), ("random", "none"))
    }
    assert found["tpe"] < found["random"]


@pytest.mark.parametrize("curves", list(recorded_curves()), ids=lambda curves: curves.task)
def test_recorded_grids_are_whole(curves: Curves) -> None:
    assert set(curves.scores) == set(itertools.product(*curves.space.values()))
    assert len(curves.scores) >= 54
    assert all(len(scores) == curves.epochs(point) for point, scores in curves.scores.items())


def test_points_to_try_first_are_tried_first() -> None:
    last = grid(FLAT, FLAT, FLAT, FLAT, FLAT, BEST)
    last.points.append({"learning_rate": 1e-5, "batch_size": 16})
    assert epochs_share(last, "grid", NONE, 0, lanes=1) == pytest.approx(4 / 24)


def test_curves_are_read_as_they_were_written(tmp_path: Path) -> None:
    curves = grid(FLAT, FLAT, BEST, FLAT, FLAT, [0.1])
    curves.save(tmp_path / "cola.json")
    assert load_curves(tmp_path / "cola.json") == curves


def test_an_interrupted_recording_trains_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = grid(FLAT, FLAT, BEST, FLAT, FLAT, FLAT)
    missing = list(curves.scores)[3]
    del curves.scores[missing]
    trained = []
    monkeypatch.setattr("benchmarks.learning_curves._train", lambda curves, point, *rest: trained.append(point) or FLAT)
    record_curves(curves, None, None, tmp_path / "cola.json")  # type: ignore[arg-type]
    assert trained == [missing]
    assert load_curves(tmp_path / "cola.json").scores[missing] == FLAT


def test_the_committed_result_is_of_the_curves_and_contenders_that_there_are() -> None:
    (comparison,) = COMPARISONS
    result = json.loads((FOLDER.parent / "results" / "search_efficiency.json").read_text())
    (recorded,) = result["comparisons"]
    assert recorded["number"] == comparison.number
    for contender in comparison.contenders(BenchmarkConfig(Path())):
        assert set(recorded["contenders"][contender.name]["figures"]) == {figure.name for figure in comparison.figures}
    assert [target["limit"] for target in recorded["targets"]] == [target.limit for target in comparison.targets]
