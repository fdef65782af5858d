"""Job files and overrides: what comes out of what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gluetune.config import JobConfig, Override, SchedulerConfig, default_job_file, dump_job, load_job, parse_job
from gluetune.errors import ConfigError


def job(text: str, *overrides: Override) -> JobConfig:
    return parse_job(text.encode(), "job.yaml", overrides)


def test_an_empty_file_is_all_defaults() -> None:
    assert job("") == JobConfig()


def test_a_section_without_content_is_all_defaults() -> None:
    assert job("data:\nsearch:\n  # num_samples: 3\n") == JobConfig()


@pytest.mark.parametrize("tasks", ["cola, SST-2", "[CoLA, sst_2]", "{cola: 1, sst2: 1.0}"])
def test_tasks_in_all_forms(tasks: str) -> None:
    assert job(f"tasks: {tasks}").tasks == {"cola": 1.0, "sst2": 1.0}


def test_tasks_keep_their_order_and_weights() -> None:
    assert list(job("tasks: {rte: 1, cola: 2.5}").tasks.items()) == [("rte", 1.0), ("cola", 2.5)]


def test_a_bare_scheduler_name_is_a_scheduler() -> None:
    assert job("search: {scheduler: asha}") == job("search: {scheduler: {name: asha}}")


def test_a_whole_number_may_stand_for_a_real_one() -> None:
    assert job("training: {num_train_epochs: 2}").training.num_train_epochs == 2.0


def test_later_overrides_win_over_earlier_ones_and_the_file() -> None:
    config = job("seed: 1", Override("seed", 2, "--seed"), Override("seed", 3, "--seed"))
    assert config.seed == 3


def test_an_override_changes_only_its_own_key() -> None:
    config = job("search: {scheduler: asha, num_samples: 4}", Override("search.scheduler.grace_epochs", 2))
    assert (config.search.scheduler.name, config.search.scheduler.grace_epochs) == ("asha", 2.0)
    assert config.search.num_samples == 4


def test_an_override_may_add_a_task_to_a_list() -> None:
    assert job("tasks: [cola]", Override("tasks.rte", 3)).tasks == {"cola": 1.0, "rte": 3.0}


def test_a_flag_replaces_all_tasks() -> None:
    assert job("tasks: {cola: 2}", Override("tasks", "rte", "--tasks")).tasks == {"rte": 1.0}


def test_the_values_of_overrides_are_not_changed() -> None:
    given = Override("lanes", {"max_concurrent_trials": 3})
    assert job("", given, Override("lanes.workers_per_lane", 2)).lanes.workers_per_lane == 2
    assert given.value == {"max_concurrent_trials": 3}


def test_a_flag_replaces_a_wrong_value_of_the_file() -> None:
    assert job("seed: many", Override("seed", 5, "--seed")).seed == 5


def test_mistakes_of_the_file_have_lines_beside_those_of_flags() -> None:
    with pytest.raises(ConfigError) as caught:
        job("# job\nseed: -1\n", Override("search.num_samples", 0, "--num-samples"))
    assert [(p.path, p.file, p.line) for p in caught.value.issues] == [
        ("seed", "job.yaml", 2),
        ("--num-samples", None, None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: first\nseed: 7\ntasks: {rte: 2, cola: 1}\n",
        "training: {bf16: false, weight_decay: 5e-5}\nsearch: {algorithm: tpe, num_samples: 3, scheduler: asha}\n",
        "lanes: {gpus_per_worker: 0.25, cpus_per_worker: 2}\ntracking: {uri: 'http://localhost:5000', "
        "experiment: 'no'}\n",
        "model: {name_or_path: 'bert-mini', revision: '5e-5', cache_dir: 'café ~'}\nstorage: {path: 's3://bucket/runs'}\n",
    ],
)
def test_what_is_dumped_reads_back_equal(text: str) -> None:
    config = job(text)
    assert parse_job(dump_job(config).encode(), "job.yaml") == config


@pytest.mark.parametrize("version", ["schema_version: 0\n", "schema_version: 1\n", ""])
def test_job_files_of_this_and_of_older_schemas_are_read(version: str) -> None:
    assert dump_job(job("tasks: {rte: 1}")).startswith("schema_version: 1\n")
    assert job(version + "tasks: {rte: 1}") == job("tasks: {rte: 1}")


@pytest.mark.parametrize("version", ["2", "1.0", "null", "true", "-1", "[1]"])
def test_a_job_file_of_an_unknown_schema_is_one_mistake_with_its_line(version: str) -> None:
    with pytest.raises(ConfigError) as refused:
        job(f"# by a newer version\nschema_version: {version}\nunknown: 3\n")
    (issue,) = refused.value.issues
    assert (issue.path, issue.line) == ("schema_version", 2)
    assert ("newer version" in issue.message) == (version == "2")


def test_a_dump_does_not_take_training_fields_from_the_search_space() -> None:
    again = job(dump_job(job("training: {weight_decay: 0.1}")))
    assert again.training.model_fields_set == {"weight_decay"}


def test_without_a_file_the_quickstart_is_read_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_job()
    monkeypatch.chdir(tmp_path)
    assert load_job() == here
    assert here.tasks == {"cola": 1.0, "mrpc": 1.0, "stsb": 1.0}
    assert (here.search.num_samples or 0) * len(here.tasks) >= 24
    assert here.lanes.max_concurrent_trials == 2


def test_a_space_beside_the_job_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("space: {batch_size: [16]}\n")
    (tmp_path / "job.yaml").write_text("search: {space: mine.yaml}\n")
    assert load_job(str(tmp_path / "job.yaml")).search.space == "mine.yaml"


def test_mistakes_of_a_job_and_its_space_are_reported_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("space:\n  learning_rate: [0]\n")
    (tmp_path / "job.yaml").write_text("search: {space: mine.yaml}\nseed: -1\n")
    with pytest.raises(ConfigError) as caught:
        load_job("job.yaml")
    assert [(p.file, p.line) for p in caught.value.issues] == [("job.yaml", 2), ("mine.yaml", 2)]


CHOOSING = [
    ("tasks", "cola"),
    ("search.algorithm", "grid"),
    ("search.space", "wide"),
    ("search.scheduler.name", "asha"),
    ("data.source", "synthetic"),
    ("data.selection", "dev"),
    ("model.name_or_path", "x"),
    ("training.num_train_epochs", 2),
]
KEEPING = [
    ("name", "mine"),
    ("seed", 7),
    ("search.num_samples", 2),
    ("search.time_budget_s", 60),
    ("lanes.max_concurrent_trials", 4),
    ("storage.path", "elsewhere"),
    ("tracking.uri", "http://host:5000"),
    ("data.max_train_samples", 50),
]


@pytest.mark.parametrize(("path", "value"), CHOOSING)
def test_flags_that_choose_what_is_searched_replace_the_quickstart(path: str, value: Any) -> None:
    chosen = Override(path, value, f"--{path}")
    assert default_job_file([*(Override(*kept) for kept in KEEPING), chosen]) is None


@pytest.mark.parametrize(("path", "value"), KEEPING)
def test_other_flags_change_the_quickstart(path: str, value: Any) -> None:
    job = load_job(None, [Override(path, value, f"--{path}")])
    assert (job.search.algorithm, job.data.source, list(job.tasks)) == ("random", "synthetic", ["cola", "mrpc", "stsb"])


def test_a_grid_without_num_samples_is_the_whole_grid() -> None:
    job = load_job(
        None, [Override("search.algorithm", "grid", "--algorithm"), Override("data.source", "synthetic", "--data")]
    )
    assert job.search.num_samples is None


def test_the_data_must_be_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(None, [Override("tasks", "cola", "--tasks")])
    (issue,) = caught.value.issues
    assert "--data" in issue.path
    assert all(name in issue.message for name in ("--data-dir", "hub", "custom", "synthetic", "--config"))


@pytest.mark.parametrize("file", [None, "seed: 1\n"])
def test_a_folder_alone_is_the_official_one(file: str | None, tmp_path: Path) -> None:
    path = None
    if file is not None:
        path = str(tmp_path / "job.yaml")
        Path(path).write_text(file)
    job = load_job(path, [Override("data.dir", str(tmp_path), "--data-dir")])
    assert (job.data.source, job.data.dir) == ("dir", str(tmp_path))


def test_a_folder_does_not_change_what_the_job_file_says(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("data: {source: synthetic}\n")
    with pytest.raises(ConfigError) as caught:
        load_job(str(tmp_path / "job.yaml"), [Override("data.dir", str(tmp_path), "--data-dir")])
    assert [issue.path for issue in caught.value.issues] == ["--data-dir"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("search: {scheduler: {name: median, brackets: 2}}", "search.scheduler.brackets"),
        ("search: {scheduler: {name: median, brackets: 3}}", "search.scheduler.brackets"),
        ("search: {scheduler: {name: median, reduction_factor: 3}}", "search.scheduler.reduction_factor"),
        ("search: {scheduler: {name: asha, brackets: 2}}", "search.scheduler.brackets"),
        ("search: {scheduler: {name: none, grace_epochs: 2}}", "search.scheduler.grace_epochs"),
        ("search: {scheduler: {min_trials: 2}}", "search.scheduler.min_trials"),
        ("data: {selection: dev, selection_fraction: 0.2}", "data.selection_fraction"),
        ("data: {selection: train_test_split, selection_max_rows: 9}", "data.selection_max_rows"),
        ("training: {head_hidden_size: 64}", "training.head_hidden_size"),
        ("training: {lr_scheduler_type: constant, warmup_steps: 5}", "training.warmup_steps"),
        ("training: {lr_scheduler_type: constant, warmup_ratio: 0.1}", "training.warmup_ratio"),
        ("training: {torch_compile_mode: reduce-overhead}", "training.torch_compile_mode"),
    ],
)
def test_an_unused_setting_is_a_mistake_with_its_line(text: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(f"seed: 1\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_job(str(tmp_path / "job.yaml"))
    assert [(issue.path, issue.line) for issue in caught.value.issues] == [(path, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "search: {scheduler: {name: hyperband, brackets: 2, reduction_factor: 3}}",
        "search: {scheduler: {name: median, grace_epochs: 2, min_trials: 1}}",
        "data: {selection: train_test_split, selection_fraction: 0.2, selection_seed: 1}",
        "training: {head: mlp, head_hidden_size: 64}",
        "training: {lr_scheduler_type: constant, warmup_ratio: 0}",
        "training: {max_steps: 5, num_train_epochs: 9, warmup_steps: 1, warmup_ratio: 0.3}",
        "training: {torch_compile: true, torch_compile_mode: reduce-overhead}",
    ],
)
def test_a_used_setting_is_accepted(text: str, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("space: {learning_rate: [1e-4, 1e-5]}\n")
    (tmp_path / "job.yaml").write_text(text)
    load_job(str(tmp_path / "job.yaml"), [Override("search.space", "space.yaml")])


def test_a_flag_that_makes_a_choice_drops_the_files_settings_of_another_choice(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "data: {selection_fraction: 0.2}\nsearch: {scheduler: {name: asha, reduction_factor: 3, min_trials: 9}}\n"
    )
    path = str(tmp_path / "job.yaml")
    job = load_job(
        path,
        [Override("search.scheduler.name", "median", "--scheduler"), Override("data.selection", "dev", "--selection")],
    )
    assert (job.search.scheduler.name, job.search.scheduler.min_trials) == ("median", 9)
    with pytest.raises(ConfigError, match=r"^--set search\.scheduler\.brackets: "):
        load_job(path, [Override("search.scheduler.brackets", 2), Override("search.scheduler.name", "median")])


def test_a_scheduler_built_in_python_is_checked_too() -> None:
    with pytest.raises(ValidationError, match=r"brackets.*median"):
        SchedulerConfig(name="median", brackets=2)


def test_job_files_that_earlier_versions_wrote_may_contain_unused_settings() -> None:
    job_text = "search: {scheduler: {name: median, grace_epochs: 1.0, reduction_factor: 4.0, brackets: 3}}"
    assert job(job_text).search.scheduler == SchedulerConfig(name="median")
    assert job(dump_job(job(job_text))) == job(job_text)
