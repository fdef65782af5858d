"""Folders of runs as gluetune leaves them, made from the events of `sample_search`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gluetune.config import JobConfig, SearchConfig, SearchSpace, dump_job, dump_space, load_space
from gluetune.events import Event, Journal, RunInputs, SplitInput
from gluetune.reporting import summarise, write_summary
from gluetune.storage import Storage
from sample_search import BEGIN, events, plan, pretraining_events


def write_search(
    root: Path | str,
    name: str,
    recorded: Iterable[Event] | None = None,
    *,
    summary: Any = None,
    written: float = BEGIN + 600,
    space: SearchSpace | None = None,
    rows: Mapping[str, str] | None = None,
    tasks: Mapping[str, Any] | None = None,
    **search: Any,
) -> Storage:
    """Write the folder of a search.

    Args:
        root: the folder of all runs.
        name: the run's name.
        recorded: its events; those of `sample_search` by default.
        summary: the status of its ``summary.json``; ``None`` for none.
        written: when that was written.
        space: the search space.
        rows: fingerprint of the selection rows by task, for ``inputs.json``.
        tasks: the tasks of the job.
        search: values of the job's ``search`` section.
    """
    folder = Storage(f"{root}/{name}")
    job = JobConfig(name=name, tasks=dict(tasks or {"cola": 1.0, "mnli": 1.0}), search=SearchConfig(**search))
    folder.write("space.yaml", dump_space(space or load_space("compact_bert")).encode())
    folder.write("job.yaml", dump_job(job).encode())
    if rows is not None:
        splits = {task: {"selection": SplitInput(rows=200, sha256=sha256)} for task, sha256 in rows.items()}
        RunInputs(tasks=splits).save(folder)
    journal = Journal(folder)
    for event in events() if recorded is None else recorded:
        journal.append(event)
    if summary is not None:
        whole = plan(name=name, folder=folder.uri())
        made = summarise(whole, journal.trials.values(), status=summary, session_started=BEGIN, now=written)
        write_summary(folder, made)
    return folder


def write_pretraining(root: Path, name: str, recorded: Iterable[Event] | None = None) -> Storage:
    """Write the folder of a pre-training run, with the events of `sample_search` by default."""
    folder = Storage(str(root / name))
    folder.write("pretraining.yaml", f"name: {name}\nseed: 1\ntraining: {{max_steps: 30}}\n".encode())
    journal = Journal(folder)
    for event in pretraining_events() if recorded is None else recorded:
        journal.append(event)
    return folder
