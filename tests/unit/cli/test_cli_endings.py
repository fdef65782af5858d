"""What the last lines say: how to resume a search, or that there is nothing to resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.api.runs import SearchViews
from gluetune.api.search_run import _Run
from gluetune.api.session import new_session
from gluetune.cli.process import ProcessFrontend
from gluetune.cli.terminal import Terminal
from gluetune.config import JobConfig, StorageConfig
from gluetune.events import Journal
from gluetune.search.trials import SearchStatus
from sample_search import events, plan


@pytest.mark.parametrize(
    ("ending", "resumes"),
    [
        (SearchStatus.INTERRUPTED, True),
        (SearchStatus.OUT_OF_TIME, True),
        (SearchStatus.COMPLETE, False),
        (SearchStatus.FAILED, False),
    ],
)
def test_a_resume_is_offered_only_where_there_is_something_to_resume_with(
    ending: SearchStatus, resumes: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = new_session(JobConfig(name="small", storage=StorageConfig(path=str(tmp_path))), None)
    journal = Journal(session.storage)
    if ending is not SearchStatus.FAILED:
        for event in events():
            journal.append(event)
    run = _Run(session, session, ProcessFrontend(Terminal()), None, None, None, None, SearchViews(), None, ())  # type: ignore[arg-type]
    run._summarise(plan(), journal, 0.0, {}, ending)
    said = capsys.readouterr().out
    assert ("--resume small" in said) == resumes
    assert ("nothing to resume" in said) == (ending is SearchStatus.FAILED)
