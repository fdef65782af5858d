"""Settings of the Python API: a job file's keys, over a job in any of its forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gluetune
from gluetune.api.settings import read_job
from gluetune.config import Float, JobConfig, SearchSpace, TrainingConfig, load_job
from gluetune.errors import ConfigError

SYNTHETIC = {"source": "synthetic"}
SPACE: Any = {"learning_rate": [1e-5, 1e-4]}


def issues(error: pytest.ExceptionInfo[ConfigError]) -> dict[str, str]:
    return {issue.path: issue.message for issue in error.value.issues}


@pytest.mark.parametrize("form", ["path", "mapping", "config"])
def test_settings_stand_on_a_job_in_any_form(form: str, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("tasks: cola\ndata: {source: synthetic, max_train_samples: 50}\ntraining: {eval_batch_size: 8}\n")
    data: dict[str, Any] = {**SYNTHETIC, "max_train_samples": 50}
    values = {"tasks": ["cola"], "data": data, "training": {"eval_batch_size": 8}}
    job: Any = {"path": file, "mapping": values, "config": load_job(str(file))}[form]
    made = read_job(job, {"data": {"max_train_samples": np.int64(20)}, "tasks": ("mrpc",)}).job
    assert made.data.max_train_samples == 20
    assert made.data.source == "synthetic"
    assert set(made.tasks) == {"mrpc"}
    assert made.training.model_fields_set == {"eval_batch_size"}


def test_all_mistakes_are_raised_at_once_with_their_keys_and_the_nearest_names() -> None:
    with pytest.raises(ConfigError) as error:
        gluetune.tune(
            task=["cola"],
            tasks=["colla"],
            data=SYNTHETIC,
            search={"num_sample": 3},
            training=3,
            progress=False,
        )
    found = issues(error)
    assert "nearest: 'tasks'" in found["task"]
    assert "nearest: 'cola'" in found["tasks"]
    assert "nearest: 'num_samples'" in found["search.num_sample"]
    assert "a mapping" in found["training"]


def test_settings_that_choose_what_is_searched_need_data() -> None:
    with pytest.raises(ConfigError, match=r"data\.source"):
        read_job(None, {"tasks": ["cola"]})
    for job in ({"tasks": ["cola"]}, JobConfig(tasks={"cola": 1.0})):
        with pytest.raises(ConfigError, match=r"data\.source"):
            read_job(job, {})
        assert read_job(job, {"data": SYNTHETIC}).job.data.source == "synthetic"


def test_a_job_file_keeps_the_default_of_its_data(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("tasks: cola\n")
    assert read_job(file, {}).job.data.source == "synthetic"


@pytest.mark.parametrize("job", [3, ["cola"], object()], ids=["number", "list", "object"])
def test_a_job_of_another_type_is_refused(job: Any) -> None:
    for call in (gluetune.tune, gluetune.fine_tune, gluetune.pretrain):
        with pytest.raises(ConfigError) as error:
            call(job, progress=False)
        assert "a mapping" in issues(error)["job"]


@pytest.mark.parametrize(
    "settings",
    [{"search": {}}, {"search": None}, {"training": TrainingConfig()}, {"search": {"scheduler": {}}}, {}],
    ids=["mapping", "none", "object", "inner", "nothing"],
)
def test_a_section_without_content_changes_nothing(settings: dict[str, Any]) -> None:
    expected = load_job("jobs/quickstart.yaml")
    assert read_job("jobs/quickstart.yaml", settings).job == expected
    assert read_job(None, settings).job == expected


def test_arrays_are_lists() -> None:
    space = {"space": {"learning_rate": np.array([1e-5, 1e-4])}}
    read = read_job(None, {"tasks": np.array(["cola"]), "data": SYNTHETIC, "search": {"space": space}})
    assert list(read.job.tasks) == ["cola"]
    assert read.space is not None
    assert read.space.size == 2


@pytest.mark.parametrize(
    "space",
    [
        SearchSpace.model_validate({"name": "mine", "space": {"learning_rate": {"values": [1e-5, 1e-4]}}}),
        SearchSpace(name="mine", space=SPACE),
        {"name": "mine", "space": SPACE},
    ],
    ids=["object", "list", "mapping"],
)
def test_a_search_space_may_be_given_itself(space: object) -> None:
    read = read_job(None, {"data": SYNTHETIC, "search": {"space": space}})
    assert read.space is not None
    assert (read.space.size, read.job.search.space) == (2, "mine")


def test_a_search_space_of_ranges_keeps_them() -> None:
    ranges: Any = {
        "learning_rate": Float(low=1e-5, high=1e-4, log=True),
        "batch_size": {"type": "int", "low": 8, "high": 9},
    }
    space = SearchSpace(space=ranges)
    for given in (space, {"space": ranges}):
        job = {"data": SYNTHETIC, "search": {"space": given, "algorithm": "random", "num_samples": 2}}
        assert read_job(job, {}).space == space


@pytest.mark.parametrize("form", [dict, SearchSpace.model_validate], ids=["mapping", "object"])
def test_mistakes_in_a_search_space_are_named(form: Callable[[Any], Any]) -> None:
    with pytest.raises(ConfigError) as error:
        read_job(None, {"data": SYNTHETIC, "search": {"space": form({"space": {"learning_rat": [1e-5]}})}})
    assert "nearest: 'learning_rate'" in issues(error)["search.space.space.learning_rat"]
    with pytest.raises(ConfigError, match="learning_rate"):
        read_job(None, {"data": SYNTHETIC, "training": {"learning_rate": 1e-3}, "search": {"space": {"space": SPACE}}})


def test_sections_may_be_configuration_objects_and_a_password_stays() -> None:
    job = JobConfig.model_validate({"data": SYNTHETIC, "tracking": {"uri": "http://ann:secret@host"}})
    made = read_job(job, {"training": TrainingConfig(eval_batch_size=4)}).job
    assert made.tracking.uri == "http://ann:secret@host"
    assert made.training.model_fields_set == {"eval_batch_size"}


def test_one_configuration_has_no_search() -> None:
    made = read_job(None, {"tasks": ["cola"], "data": SYNTHETIC}, single=True).job
    assert (made.search.space, made.search.algorithm) == ("single", "grid")
    for search in (
        {"num_samples": 2},
        {"space": "wide"},
        {"space": {"space": SPACE}},
        {"space": SearchSpace(space=SPACE)},
    ):
        with pytest.raises(ConfigError) as error:
            gluetune.fine_tune(data=SYNTHETIC, search=search, progress=False)
        ((path, message),) = issues(error).items()
        assert path == f"search.{next(iter(search))}"
        assert "tune() searches" in message


def test_a_resume_takes_the_settings_that_may_change_only() -> None:
    with pytest.raises(ConfigError) as error:
        gluetune.resume("mine", seed=3, search={"num_samples": 3}, progress=False)
    assert set(issues(error)) == {"seed", "search.num_samples"}
