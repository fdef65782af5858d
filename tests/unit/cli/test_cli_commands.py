"""The command ``gluetune``: its list of commands, mistakes in a command's name, and the scripts that start commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gluetune
from gluetune.cli.commands import COMMANDS, main

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = {
    "tune_glue.py": "tune",
    "finetune.py": "finetune",
    "pretrain_bert.py": "pretrain",
    "export_submission.py": "export",
    "benchmark.py": "benchmark",
}


def gluetune_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gluetune", *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
    )


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_names_every_command_and_the_quickstart(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []
    assert "gluetune tune" in shown


def test_help_of_a_command_is_that_of_its_flag() -> None:
    done = gluetune_process("help", "tune")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: gluetune tune ")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gluetune {gluetune.__version__}\n"


@pytest.mark.parametrize(
    ("argument", "expected"), [("tun", "'tune'"), ("finetun", "'finetune'"), ("xyz", "benchmark"), ("--tasks", "tune")]
)
def test_a_mistyped_command_names_the_nearest_or_all(
    argument: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument, "cola"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"error: {argument}: ")
    assert expected in err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_has_help(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        COMMANDS[name].load()[1](["--help"])
    assert stopped.value.code == 0
    shown = capfd.readouterr().out
    assert shown.startswith(f"usage: gluetune {name} ")


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "jobs").glob("*.py")))
def test_every_script_runs_its_command_below_a_parent(script: str) -> None:
    """Docstring, imports, and one call of `gluetune.cli.commands.run`."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "jobs" / script).read_text())) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls] == [
        f"sys.exit(run({SCRIPTS[script]!r}))",
        f"run({SCRIPTS[script]!r})",
    ]


@pytest.mark.parametrize("argv", [["--help"], ["tune", "--help"]], ids=" ".join)
def test_help_imports_neither_torch_nor_ray(argv: list[str]) -> None:
    call = "main(sys.argv[1:])" if len(argv) == 1 else "COMMANDS[sys.argv[1]].load()[1](sys.argv[2:])"
    code = (
        "import sys; from gluetune.cli import commands\n"
        "try:\n"
        f"    commands.{call}\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'torch', 'ray', 'transformers', 'mlflow', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_runs_below_a_parent_and_keeps_the_exit_code() -> None:
    done = gluetune_process("tune", "--tsks", "cola")
    assert done.returncode == 2
    assert "--tsks" in done.stderr
    assert "'--tasks'" in done.stderr
