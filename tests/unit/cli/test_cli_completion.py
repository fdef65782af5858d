"""Completion scripts, in a real bash."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from gluetune.cli.commands import COMMANDS, main

COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p gluetune | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
"$function" gluetune "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "gluetune.bash"
    with redirect_stdout(StringIO()) as printed:
        assert main(["--print-completion", "bash"]) == 0
    file.write_text(printed.getvalue())
    return file


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", script, "gluetune", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=script.parent,
    )
    return set(done.stdout.split())


def test_commands_are_completed(script: Path) -> None:
    assert completed(script, "") == set(COMMANDS)
    assert completed(script, "fin") == {"finetune"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tune --alg", "--algorithm"),
        ("tune --scheduler a", "asha"),
        ("tune --space rob", "roberta"),
        ("tune --seed 3 --tasks mr", "mrpc"),
        ("finetune --mode tr", "train"),
        ("predict --inp", "--input"),
        ("submit --no", "--no-wait"),
    ],
)
def test_flags_and_values_are_completed(script: Path, line: str, expected: str) -> None:
    assert expected in completed(script, *shlex.split(line))


def test_files_are_completed_where_a_flag_takes_one(script: Path) -> None:
    assert completed(script, "tune", "--config", "glue") == {"gluetune.bash"}


def test_names_of_runs_are_completed(script: Path) -> None:
    for file in ("first/job.yaml", "bert/pretraining.yaml", "notes/text.md"):
        (script.parent / "runs" / file).parent.mkdir(parents=True, exist_ok=True)
        (script.parent / "runs" / file).touch()
    assert completed(script, "show", "") >= {"first", "bert"}
    assert completed(script, "compare", "first", "be") == {"bert"}
    assert completed(script, "tune", "--resume", "fi") == {"first"}
    assert "notes" not in completed(script, "trials", "")


def test_other_shells_have_scripts_and_unknown_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("zsh", "fish"):
        assert main(["--print-completion", shell]) == 0
        assert "gluetune" in capsys.readouterr().out
    assert main(["--print-completion", "zhs"]) == 2
    assert "'zsh'" in capsys.readouterr().err
