"""Search spaces: what they contain, where they are found, and which jobs they suit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.config import (
    Choice,
    Float,
    Int,
    JobConfig,
    SearchSpace,
    check_fit,
    contains,
    dump_space,
    finite_values,
    load_space,
    parse_job,
    parse_space,
    resolve_training,
)
from gluetune.errors import ConfigError

FINITE = "space: {learning_rate: [1e-4, 3e-5], batch_size: [8]}\ntraining: {num_train_epochs: 4, weight_decay: 0.1}\n"
ENDLESS = "space: {learning_rate: {type: float, low: 1e-6, high: 1e-3, log: true}}\n"


def space(text: str) -> SearchSpace:
    return parse_space(text.encode(), "some/mine.yaml")


def test_a_list_is_a_choice() -> None:
    assert space("space: {batch_size: [16, 32]}").space == {"batch_size": Choice(values=(16, 32))}


def test_the_name_is_that_of_the_file() -> None:
    assert space("space: {batch_size: [16]}").name == "mine"


def test_steps_have_the_decimals_of_the_file() -> None:
    assert finite_values(Float(low=0.1, high=0.5, step=0.1)) == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert finite_values(Float(low=1e-6, high=3e-6, step=1e-6)) == (1e-6, 2e-6, 3e-6)


def test_a_step_that_misses_the_end_stops_before_it() -> None:
    assert finite_values(Int(low=8, high=30, step=8)) == (8, 16, 24)
    assert finite_values(Float(low=0, high=0.25, step=0.1)) == (0.0, 0.1, 0.2)


def test_spaces_that_are_not_finite() -> None:
    assert finite_values(Float(low=0, high=1)) is None
    assert finite_values(Int(low=1, high=64, log=True)) is None
    assert finite_values(Int(low=0, high=2**31)) is None
    assert space("space: {batch_size: [16], learning_rate: {type: float, low: 1e-5, high: 1e-4}}").size is None


def test_a_single_value_is_a_range() -> None:
    assert finite_values(Float(low=0.5, high=0.5, step=0.1)) == (0.5,)


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (Choice(values=(16, 32)), 16, 24),
        (Choice(values=(1, 2)), 1, True),
        (Choice(values=("linear",)), "linear", "cosine"),
        (Float(low=0, high=1), 1, 1.01),
        (Float(low=0, high=1), 0.0, "0"),
        (Float(low=0, high=1), 0.5, True),
        (Float(low=0, high=1, step=0.25), 0.75, 0.7),
        (Int(low=8, high=64, step=8), 16, 12),
        (Int(low=8, high=64, log=True), 11, 11.5),
        (Int(low=0, high=2**31, step=2), 10, 11),
        (Float(low=0, high=1), 0.5, [0.5]),
    ],
)
def test_contains(distribution: Choice | Float | Int, inside: object, outside: object) -> None:
    assert contains(distribution, inside)
    assert not contains(distribution, outside)


def test_the_grid_has_every_configuration_once_in_file_order() -> None:
    searched = space("space: {learning_rate: [1e-4, 5e-5], batch_size: {type: int, low: 8, high: 24, step: 8}}")
    assert [tuple(point.values()) for point in searched.grid()] == [
        (1e-4, 8),
        (1e-4, 16),
        (1e-4, 24),
        (5e-5, 8),
        (5e-5, 16),
        (5e-5, 24),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "space: {batch_size: [16, 32]}\n",
        "name: mine\nsource: 'a: b # c'\ntraining: {adam_epsilon: 1e-6, bf16: true}\n"
        "space: {learning_rate: {type: float, low: 1e-6, high: 1e-3, log: true}, batch_size: [8, 16]}\n"
        "points: [{learning_rate: 3e-5, batch_size: 16}]\n",
        "space: {lr_scheduler_type: [linear, constant], weight_decay: {type: float, low: 0, high: 1, step: 0.1}}\n",
    ],
)
def test_what_is_dumped_reads_back_equal(text: str) -> None:
    once = space(text)
    assert parse_space(dump_space(once).encode(), "elsewhere/space.yaml") == once


def test_the_current_directory_comes_before_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_space("compact_bert").size == 20
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "compact_bert.yaml").write_text("space: {batch_size: [16]}\n")
    assert load_space("compact_bert").size == 1


def test_a_job_in_a_jobs_folder_finds_the_spaces_beside_that_folder(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "mine.yaml").write_text("space: {batch_size: [16]}\n")
    assert load_space("mine", str(tmp_path / "jobs" / "job.yaml")).name == "mine"


def job(text: str) -> JobConfig:
    return parse_job(text.encode(), "job.yaml")


def test_a_trial_takes_the_spaces_fixed_fields() -> None:
    training = resolve_training(job(""), space(FINITE), {"learning_rate": 3e-5, "batch_size": 16})
    assert (training.num_train_epochs, training.weight_decay) == (4.0, 0.1)
    assert (training.learning_rate, training.batch_size) == (3e-5, 16)


def test_the_fields_of_a_job_go_before_the_fixed_fields_of_the_space() -> None:
    training = resolve_training(job("training: {num_train_epochs: 1}"), space(FINITE))
    assert (training.num_train_epochs, training.weight_decay) == (1.0, 0.1)


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("search: {algorithm: grid, num_samples: 99}", FINITE),
        ("search: {algorithm: cmaes}", FINITE),
        ("search: {algorithm: tpe}", FINITE),
        ("search: {algorithm: gp, num_samples: 5}", ENDLESS),
        ("search: {algorithm: nsga2, time_budget_s: 60}", ENDLESS),
        ("search: {algorithm: tpe, budget: {cpu_hours: 2}}", ENDLESS),
        ("search: {scheduler: asha}", FINITE),
        ("training: {max_steps: 50, num_train_epochs: 1}", FINITE),
        (
            "search: {scheduler: {name: hyperband, grace_epochs: 0.5}}\n"
            "training: {num_train_epochs: 1, evals_per_epoch: 4}",
            FINITE,
        ),
        ("search: {scheduler: median}", "space: {num_train_epochs: [1, 2, 3]}"),
        ("search: {scheduler: none}\ntraining: {num_train_epochs: 1}", FINITE),
    ],
)
def test_jobs_that_suit_the_space(text: str, searched: str) -> None:
    check_fit(job(text), space(searched))


@pytest.mark.parametrize(
    ("text", "searched", "paths"),
    [
        ("search: {algorithm: grid}", ENDLESS, ["search.algorithm"]),
        ("search: {algorithm: random}", ENDLESS, ["search.num_samples"]),
        ("search: {scheduler: median}", "space: {num_train_epochs: [1]}", ["search.scheduler.grace_epochs"]),
        ("search: {scheduler: asha}\ntraining: {num_train_epochs: 1}", FINITE, ["search.scheduler.grace_epochs"]),
        ("search: {scheduler: asha}\ntraining: {max_steps: 50}", FINITE, ["search.scheduler.name"]),
        ("search: {scheduler: median}", "space: {max_steps: [50, 100]}", ["search.scheduler.name"]),
        ("training: {batch_size: 8, learning_rate: 1e-4}", FINITE, ["training.learning_rate", "training.batch_size"]),
    ],
)
def test_jobs_that_do_not_suit_the_space(text: str, searched: str, paths: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_fit(job(text), space(searched))
    assert [issue.path for issue in caught.value.issues] == paths
