"""Comparisons 1 to 5: the same trials on every contender, and figures computed from given records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

import sample_search
from benchmarks import grid
from benchmarks.baselines.run_glue import METRIC, StepClock, settings, training_arguments
from benchmarks.baselines.work import Work
from benchmarks.comparison import GLUETUNE, BenchmarkConfig
from benchmarks.grid_runs import (
    GridRun,
    TrialTimes,
    from_clock,
    from_record,
    gaps,
    grid_work,
    make_job,
    percentile,
    recorded_gaps,
    utilisation,
)
from gluetune.config import load_space
from gluetune.data import open_source, prepare_task
from gluetune.events import Evaluated, TrialStarted, replay_events
from gluetune.search.searchers import TrialSampler
from gluetune.tasks import get_task

POINT = {
    "learning_rate": 3e-5,
    "batch_size": 16,
    "num_train_epochs": 2,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "lr_scheduler_type": "linear",
}


def evaluated(
    number: int,
    index: int,
    time: float,
    train: float,
    evaluate: float,
    gap: float | None = None,
) -> Evaluated:
    seconds: dict[str, Any] = {"train_seconds": train, "eval_seconds": evaluate, "idle_seconds_before": gap}
    return sample_search.evaluated(number, index, 0.5, time=time, lane="a", **seconds)


def started(number: int) -> TrialStarted:
    return TrialStarted(time=0.0, number=number, task="cola", params={}, training={}, seed=1)


def test_a_records_times_begin_with_its_first_step() -> None:
    trials = replay_events([started(0), evaluated(0, 1, 110.0, 8.0, 1.0), evaluated(0, 2, 120.0, 8.5, 1.5)])
    assert from_record(trials[0]) == TrialTimes(began=101.0, ended=120.0, busy_s=19.0)


def test_gaps_are_those_that_lanes_recorded() -> None:
    trials = replay_events(
        [started(0), evaluated(0, 1, 10.0, 8.0, 1.0), started(1), evaluated(1, 1, 20.0, 8.0, 1.0, gap=0.25)]
    )
    assert recorded_gaps(trials.values()) == [0.25]


def test_gaps_count_from_the_slot_that_was_free_first() -> None:
    trials = [
        TrialTimes(0.0, 10.0, 9.0),
        TrialTimes(1.0, 6.0, 5.0),  # two slots
        TrialTimes(8.0, 20.0, 12.0),
        TrialTimes(15.0, 18.0, 3.0),
    ]
    assert gaps(trials, lanes=2) == [2.0, 5.0]
    assert gaps(reversed(trials), lanes=2) == [2.0, 5.0]


def test_no_gaps_before_every_slot_has_had_a_trial() -> None:
    assert gaps([TrialTimes(0.0, 1.0, 1.0), TrialTimes(5.0, 6.0, 1.0)], lanes=2) == []


def test_utilisation_is_busy_time_of_all_lanes_between_first_step_and_last_end() -> None:
    trials = [TrialTimes(100.0, 110.0, 10.0), TrialTimes(102.0, 106.0, 4.0), TrialTimes(107.0, 108.0, 1.0)]
    assert utilisation(trials, lanes=2) == pytest.approx(15.0 / 20.0)


@pytest.mark.parametrize(("share", "value"), [(50, 3.0), (95, 4.8)])
def test_percentiles_lie_between_the_nearest_values(share: int, value: float) -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], share) == pytest.approx(value)
    assert percentile([7.0], share) == 7.0


def clock(times: Iterator[float]) -> StepClock:
    return StepClock(now=lambda: next(times))


def test_the_clock_counts_from_an_epochs_first_step_to_the_end_of_its_evaluation() -> None:
    noted: Any = clock(iter([10.0, 12.0, 14.0, 15.0, 20.0, 22.0, 23.0]))
    nothing = (None, None, None)
    noted.on_step_begin(*nothing)
    noted.on_step_end(*nothing)
    noted.on_step_begin(*nothing)  # asks no time: the epoch has begun
    noted.on_step_end(*nothing)
    noted.on_evaluate(*nothing, metrics={f"eval_{METRIC}": 0.1})
    noted.on_step_begin(*nothing)
    noted.on_step_end(*nothing)
    noted.on_evaluate(*nothing, metrics={f"eval_{METRIC}": 0.2})
    noted.on_evaluate(*nothing, metrics={f"eval_{METRIC}": 0.3})  # run_glue.py's last one, after the training
    assert noted.times() == {
        "first_step": 10.0,
        "last_step": 22.0,
        "busy_until": 23.0,
        "busy_seconds": 8.0,
        "scores": [0.1, 0.2],
    }
    assert from_clock(noted.times()) == TrialTimes(10.0, 23.0, 8.0)


def test_a_baselines_settings_are_run_glues_defaults_but_for_the_points(tmp_path: Path) -> None:
    gluetune, default = (
        arguments.to_dict()
        for arguments in (training_arguments(POINT, str(tmp_path), 42), TrainingArguments(output_dir=str(tmp_path)))
    )
    changed = {name: value for name, value in gluetune.items() if value != default[name]}
    asked = {
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": METRIC,
    }
    consequences = {"greater_is_better": True, "do_eval": True}
    point = {name: value for name, value in settings(POINT).items() if value != default[name]}
    assert changed == {**asked, **consequences, **point}
    assert (gluetune["learning_rate"], gluetune["per_device_train_batch_size"], gluetune["num_train_epochs"]) == (
        3e-5,
        16,
        2,
    )


def test_warm_up_and_decay_are_those_of_gluetunes_trials(tmp_path: Path) -> None:
    arguments = training_arguments(POINT, str(tmp_path), 42)
    assert (arguments.get_warmup_steps(95), arguments.weight_decay) == (10, 0.01)  # rounded up, as gluetune rounds


def job(tmp_path: Path, trials: int | None) -> Any:
    config = BenchmarkConfig(tmp_path, max_train_samples=40, max_eval_samples=20)
    return make_job(config, "model", tmp_path, trials, lanes=2)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    return Work.load(grid_work(job(folder, None)).save(folder / "work.json"))


def test_baselines_have_all_18_points_with_the_spaces_own_settings(work: Work) -> None:
    found = {(p["learning_rate"], p["batch_size"], p["num_train_epochs"]) for p in work.points}
    assert len(work.points) == len(found) == load_space("bert_recommended").size == 18
    assert {(p["warmup_ratio"], p["weight_decay"]) for p in work.points} == {(0.1, 0.01)}


@pytest.mark.parametrize("trials", [1, 5])
def test_a_shorter_benchmark_cuts_the_same_trials_for_all_contenders(tmp_path: Path, trials: int) -> None:
    short = job(tmp_path, trials)
    sampler = TrialSampler(
        short.tasks,
        load_space(short.search.space),
        short.search.algorithm,
        short.training,
        short.seed,
        short.search.num_samples,
    )
    points = [spec.training for spec in iter(sampler.ask, None)]
    assert grid_work(short).points == points
    assert len(points) == trials


def test_baselines_get_the_rows_that_gluetune_trains_on(tmp_path: Path, work: Work, tokenizer: Any) -> None:
    gluetune = job(tmp_path, None)
    data = prepare_task(get_task("cola"), open_source(gluetune.data), tokenizer, gluetune.data, gluetune.seed)
    for rows, encoded, count in ((work.train, data.train, 40), (work.selection, data.selection, 20)):
        assert rows["label"] == encoded.labels.tolist()
        ids = [tokenizer(text)["input_ids"] for text in rows["sentence"]]
        assert [token for row in ids for token in row] == encoded.input_ids.tolist()
        assert len(ids) == count


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import BertTokenizerFast

    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters]))
    return BertTokenizerFast(str(file), model_max_length=128)


def test_a_run_is_made_once_for_all_comparisons() -> None:
    asked: list[tuple[str, int]] = []

    class Runs:
        lanes = 2

        @staticmethod
        def gluetune(size: str, repetition: int) -> GridRun:
            asked.append((size, repetition))
            return GridRun(10.0, 0.4, 2, [TrialTimes(0.0, 9.0, 9.0), TrialTimes(0.0, 10.0, 6.0)], [0.1, 0.3])

    walls = grid.grid_contender(GLUETUNE, Runs, grid._walls).measure(0)  # type: ignore[arg-type]
    shares = grid.grid_contender(GLUETUNE, Runs, grid._utilisation).measure(1)  # type: ignore[arg-type]
    assert walls == {
        "wall (compact)": 10.0,
        "best (compact)": 0.4,
        "wall (MiniLM-size)": 10.0,
        "best (MiniLM-size)": 0.4,
    }
    assert shares == {"utilisation (compact)": 0.75, "utilisation (MiniLM-size)": 0.75}
    assert asked == [("compact", 0), ("MiniLM-size", 0), ("compact", 1), ("MiniLM-size", 1)]


def test_every_target_is_for_a_figure_that_is_shown() -> None:
    assert [comparison.number for comparison in grid.COMPARISONS] == [1, 2, 3, 4, 5, 12]
    for comparison in grid.COMPARISONS:
        assert all(comparison.figure(target.figure) for target in comparison.targets)
