"""The flags that describe a task of the user's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.cli.flags import parse
from gluetune.cli.own_task import task_name
from gluetune.cli.tune import FINETUNE, TUNE, finetune_job, tune_job
from gluetune.config import TaskFiles
from gluetune.errors import ConfigError

COLUMNS = ["--text", "title,body", "--label", "topic"]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tickets.csv", "dev.csv"):
        Path(name).touch()


def mistakes(argv: list[str]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        tune_job(parse(argv, TUNE))
    return {issue.path: issue.message for issue in caught.value.issues}


def test_flags_make_the_only_task_of_a_job_that_needs_no_other_data() -> None:
    job = tune_job(
        parse(
            ["--train", "tickets.csv", *COLUMNS, "--validation=dev.csv", "--labels", "b, a", "--metric", "accuracy"],
            TUNE,
        )
    )
    assert job.tasks == {
        "tickets": TaskFiles(
            train="tickets.csv",
            validation="dev.csv",
            text=["title", "body"],
            label=["topic"],
            labels=["b", "a"],
            metric="accuracy",
        )
    }


def test_flags_replace_the_tasks_of_a_job_file_and_can_be_set_further() -> None:
    Path("job.yaml").write_text("tasks: [cola]\nseed: 3\n")
    argv = ["--config", "job.yaml", "--train", "tickets.csv", *COLUMNS, "--set", "tasks.tickets.weight=2"]
    job = tune_job(parse(argv, TUNE))
    assert (job.seed, job.weights) == (3, {"tickets": 2.0})


def test_thresholds_are_chosen_by_a_flag() -> None:
    argv = ["--train", "tickets.csv", *COLUMNS]
    chosen = [tune_job(parse([*argv, *more], TUNE)).own_tasks["tickets"] for more in ((), ("--thresholds", "default"))]
    assert [task.thresholds for task in chosen] == ["tuned", "default"]


def test_a_single_run_needs_no_job_file_with_them() -> None:
    job = finetune_job(parse(["--train", "tickets.csv", *COLUMNS, "--max-steps", "3"], FINETUNE))
    assert job is not None
    assert (list(job.own_tasks), job.search.space) == (["tickets"], "single")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("data/tickets.csv", "tickets"),
        ("tickets.2024.jsonl.gz", "tickets.2024"),
        ("my tickets (1).tsv", "my-tickets-1"),
        ("shards/", "shards"),
        ("--.csv", "task"),
    ],
)
def test_a_task_is_called_like_its_file(place: str, name: str) -> None:
    assert task_name(parse([f"--train={place}", *COLUMNS], TUNE)) == name


@pytest.mark.parametrize(
    ("argv", "flags"),
    [
        (["--train", "tickets.csv"], {"--text", "--label"}),
        (["--text", "body"], {"--train"}),
        (["--train", "cola.csv", *COLUMNS], {"--train"}),
        (["--train", "tickets.csv", "--task-name", "SST-2", *COLUMNS], {"--task-name"}),
        (["--train", "tickets.csv", "--tasks", "rte", *COLUMNS], {"--tasks"}),
        (["--train", "tickets.csv", "--resume", "x", *COLUMNS], {"--resume"}),
        (["--train", "tickets.csv", "--problem", "single", *COLUMNS], {"--problem"}),
        (["--train", "tickets.csv", "--thresholds", "0.3", *COLUMNS], {"--thresholds"}),
        (["--train", "tickts.csv", "--validation", "dec.csv", *COLUMNS], {"--train", "--validation"}),
        (["--train", "tickets.csv", "--validation", "tickets.csv", *COLUMNS], {"--validation"}),
        (["--train", "tickets.csv", "--text", "topic", "--label", "topic"], {"--label"}),
        (["--train", "tickets.csv", "--selection", "dev", *COLUMNS], {"--train"}),
    ],
)
def test_a_mistake_names_its_flag(argv: list[str], flags: set[str]) -> None:
    assert set(mistakes(argv)) == flags


def test_the_name_of_a_known_task_needs_another_one() -> None:
    assert "--task-name" in mistakes(["--train", "cola.csv", *COLUMNS])["--train"]
