"""The cluster pages of docs/: their commands exist, with these flags, and are as few as the AWS page promises."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from itertools import dropwhile
from pathlib import Path

import pytest

from launcher_files import AWS, FILES, ROOT, pinned, ray_arguments, read

HOW_TO = ROOT / "docs" / "how-to"
PAGES = [*sorted(HOW_TO.glob("cluster*.md")), ROOT / "docs" / "tutorials" / "on-a-cluster.md"]
OTHER_TOOLS = {
    "aws",
    "gcloud",
    "kubectl",
    "docker",
    "helm",
    "pip",
    "sbatch",
    "python3",
    "/shared/gluetune-venv/bin/pip",
}
OWN_TOOLS = {"ray", "make", "gluetune", "cat", "mkdir", "cd"}


def blocks(page: Path, language: str = "bash") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Commands of bash blocks, and backquoted ones of ``ray`` with an argument; without assignments."""
    lines = [line for block in blocks(page) for line in block.replace("\\\n", "").splitlines()]
    lines += re.findall(r"`(ray (?!job (?:stop|submit)`)[^` ]+ [^`…]+)`", page.read_text())
    parts = [part for line in lines for part in line.split(" && ")]
    words = [list(dropwhile(lambda word: "=" in word, shlex.split(part, comments=True))) for part in parts]
    return [each for each in words if each and each[0] != "export"]


def of(program: str) -> list[list[str]]:
    return [words for page in PAGES for words in commands(page) if words[0] == program]


def check_command(words: list[str]) -> None:
    """Refuse a gluetune command, without ``gluetune``, whose flags do not exist."""
    from gluetune.cli.commands import COMMANDS
    from gluetune.cli.flags import parse

    program, _ = COMMANDS[words[0]].load()
    assert program is not None
    if words[0] == "submit":
        at = words.index("--")
        parse(words[1:at], program)
        check_command(words[at + 1 :])
    else:
        parse(words[1:], program)


@pytest.mark.parametrize("words", of("ray"), ids=" ".join)
def test_ray_knows_the_command(words: list[str]) -> None:
    if ">" in words:
        words = words[: words.index(">")]
    given = ray_arguments(words)
    if "cluster_config_file" in given:
        assert ROOT / given["cluster_config_file"] in FILES
    if "entrypoint" in given:
        assert given["entrypoint"][:2] == ("python", "jobs/tune_glue.py")
        check_command(["tune", *given["entrypoint"][2:]])


@pytest.mark.parametrize("words", of("gluetune"), ids=" ".join)
def test_gluetune_knows_the_command(words: list[str]) -> None:
    check_command(words[1:])


def what_make_would_run(goals: list[str]) -> list[str]:
    """The one line with ``submit``; under another make (`make test`) this one also prints its folder."""
    dry = subprocess.run(["make", "-n", *goals], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in dry.splitlines() if "gluetune submit" in line]
    return shlex.split(line)


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_make_submits_what_the_page_says(words: list[str]) -> None:
    program, *command = what_make_would_run(words[1:])
    assert program.endswith("/gluetune")
    assert command[:3] == ["submit", "--", "tune"]
    check_command(command)


def test_gluetune_submit_gives_a_job_what_the_command_of_the_page_and_the_readme_gives(tmp_path: Path) -> None:
    from gluetune.cli.submit import runtime_environment

    (page,) = [words for words in of("ray") if words[1:3] == ["job", "submit"]]
    shown = json.loads(page[page.index("--runtime-env-json") + 1])
    assert runtime_environment(ROOT, tmp_path)["env_vars"] == shown["env_vars"]
    everywhere = set(page) - {page[page.index("--storage-path") + 1]}  # which each page has for its cluster
    for readme in re.findall(r"^ *(ray job submit.*)$", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert everywhere <= set(shlex.split(readme))


def test_from_nothing_to_zero_nodes_on_aws_takes_at_most_eight_commands() -> None:
    lines = blocks(HOW_TO / "cluster-aws.md")[0].splitlines()
    assert len(lines) <= 8
    assert lines[-1] == "ray down -y cluster.yaml"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_other_command_is_a_known_program(page: Path) -> None:
    assert {words[0] for words in commands(page)} <= OTHER_TOOLS | OWN_TOOLS


def test_the_stack_is_given_what_it_asks_for() -> None:
    (deploy,) = [words for words in of("aws") if words[1:3] == ["cloudformation", "deploy"]]
    flags = dict(zip(deploy[3::2], deploy[4::2], strict=True))
    assert (ROOT / flags["--template-file"]).exists()
    assert flags["--region"] == read(AWS)["provider"]["region"]
    assert flags["--parameter-overrides"].partition("=")[0] == "Bucket"


def test_the_pages_name_the_ray_that_is_pinned() -> None:
    versions = {found for page in PAGES for found in re.findall(r"(?<!Kube)Ray (\d+\.\d+)", page.read_text())}
    assert versions == {".".join(pinned("ray").split(".")[:2])}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
    for file in re.findall(r"\b(deploy/[\w./-]*\w)", page.read_text()):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("file", ["README.md", "docs/how-to/cluster-submit.md", "docs/explanation/reliability.md"])
def test_every_documented_submission_gives_a_stop_the_time_to_end_cleanly(file: str) -> None:
    for environment in re.findall(r"--runtime-env-json '([^']+)'", (ROOT / file).read_text()):
        assert int(json.loads(environment)["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 30
