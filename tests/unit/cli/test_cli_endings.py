"""What the last lines say: how to resume a search, or that there is nothing to resume."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gluetune.api.search_endings import print_ending
from gluetune.cli.process import ProcessFrontend
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.search.trials import SearchStatus


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
    with closing(Terminal()) as terminal:
        frontend = ProcessFrontend(terminal)
        print_ending(
            ending, frontend.resume_command("small", StorageConfig(path=str(tmp_path)), None), frontend.console
        )
    said = capsys.readouterr().out
    assert ("--resume small" in said) == resumes
    assert ("nothing to resume" in said) == (ending is SearchStatus.FAILED)
