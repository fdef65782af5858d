"""Tasks of the user's own files in job files: beside known tasks, with overrides, and written again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gluetune.config import JobConfig, Override, TaskFiles, dump_job, load_job, make_job, parse_job
from gluetune.errors import ConfigError

TICKETS = "tickets: {train: tickets.csv, text: [title, body], label: topic}"


def job(text: str, *overrides: Override) -> JobConfig:
    return parse_job(text.encode(), "job.yaml", overrides)


def issues(text: str, *overrides: Override) -> dict[str, int | None]:
    """The lines of a job file's mistakes, by key."""
    with pytest.raises(ConfigError) as caught:
        job(text, *overrides)
    return {issue.path: issue.line for issue in caught.value.issues}


def test_own_tasks_stand_beside_known_ones() -> None:
    made = job(f"tasks:\n  {TICKETS}\n  CoLA: 2\n")
    assert list(made.tasks) == ["tickets", "cola"]
    assert made.weights == {"tickets": 1.0, "cola": 2.0}
    assert made.own_tasks["tickets"] == TaskFiles(train="tickets.csv", text=["title", "body"], label=["topic"])
    assert made.reads_data
    assert not job(f"tasks: {{{TICKETS}}}").reads_data


def test_a_job_with_own_tasks_reads_back_equal() -> None:
    made = job(
        "tasks: {v1.2: {train: a, validation: b, text: '{x}: {y}', label: l, labels: [0, 1], weight: 3}, rte: 1}"
    )
    assert job(dump_job(made)) == made
    assert made.own_tasks["v1.2"].labels == ["0", "1"]
    assert made.own_tasks["v1.2"].text_columns == ("x", "y")


def test_overrides_reach_into_a_task_whose_name_has_dots() -> None:
    text = "tasks: {v1.2: {train: a, text: x, label: l}}"
    made = job(text, Override("tasks.v1.2.metric", "accuracy"), Override("tasks.v1.2.weight", 2))
    assert (made.own_tasks["v1.2"].metric, made.weights) == ("accuracy", {"v1.2": 2.0})


def test_a_list_of_tasks_chooses_among_those_that_the_file_describes() -> None:
    made = job(f"tasks:\n  {TICKETS}\n  other: {{train: b, text: x, label: l}}", Override("tasks", "tickets,cola"))
    assert list(made.tasks) == ["tickets", "cola"]
    assert list(made.own_tasks) == ["tickets"]


def test_mistakes_name_key_and_line() -> None:
    found = issues(
        "tasks:\n  tickets:\n    trian: x\n    text: a\n    weight: 0\n  rt: 1\n  my task: {text: a, label: b}\n"
    )
    assert found == {
        "tasks.tickets.label": 2,
        "tasks.tickets.trian": 3,
        "tasks.tickets.weight": 5,
        "tasks.rt": 6,
        "tasks.my task": 7,
    }


def test_rules_between_the_keys_of_a_task() -> None:
    text = (
        "data: {selection: dev}\n"
        "tasks:\n"
        "  tickets:\n"
        "    dataset_config: x\n"
        "    text: [a, b, c]\n"
        "    label: [a, l, l]\n"
        "    labels: [x, x]\n"
        "    problem: regression\n"
    )
    found = issues(text)
    assert found == {
        "tasks.tickets.train": 3,
        "tasks.tickets.validation": 3,
        "tasks.tickets.dataset_config": 4,
        "tasks.tickets.text": 5,
        "tasks.tickets.label": 6,
        "tasks.tickets.labels": 7,
        "tasks.tickets.problem": 8,
    }


@pytest.mark.parametrize("text", ["'{'", "'{}'", "'{a!r}'", "'{a:>3}'", "'}{a}'", "[a, '{b']"])
def test_a_broken_template_is_a_mistake(text: str) -> None:
    assert issues(f"tasks: {{t: {{train: x, label: l, text: {text}}}}}") == {"tasks.t.text": 1}


def test_own_names_are_not_those_of_known_tasks() -> None:
    assert issues("tasks: {CoLA: {train: x, text: a, label: b}}") == {"tasks.CoLA": 1}


def test_files_must_exist_where_a_job_starts_but_not_where_a_run_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tickets.csv").touch()
    Path("job.yaml").write_text("tasks: {t: {train: tickts.csv, test: tickets.csv, text: a, label: b}}")
    with pytest.raises(ConfigError) as caught:
        load_job("job.yaml")
    (issue,) = caught.value.issues
    assert (issue.path, issue.line) == ("tasks.t.train", 1)
    assert "'tickets.csv'" in issue.message
    assert load_job("job.yaml", reads_files=False).tasks == parse_job(Path("job.yaml").read_bytes(), "job.yaml").tasks


def test_a_program_describes_a_task_as_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tickets.csv").touch()
    described = {"train": "tickets.csv", "text": "body", "label": "topic"}
    assert make_job({"tasks": {"tickets": described}}).tasks == JobConfig(tasks={"tickets": described}).tasks  # type: ignore[dict-item]
    with pytest.raises(ValidationError, match="Field required"):
        JobConfig(tasks={"tickets": {"train": "tickets.csv"}})  # type: ignore[dict-item]
