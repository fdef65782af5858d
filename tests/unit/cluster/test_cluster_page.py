"""docs/how-to/cluster.md: its commands exist, with these flags, and are as few as it promises."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from itertools import dropwhile
from pathlib import Path

import pytest

from launcher_files import AWS, FILES, ROOT, pinned, ray_arguments, read

PAGE = (ROOT / "docs" / "how-to" / "cluster.md").read_text()
OTHER_TOOLS = {"aws", "gcloud", "kubectl", "docker", "helm", ".venv/bin/pip", "cost", "GPU-node"}
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands(text: str) -> list[list[str]]:
    """Commands of indented blocks, and backquoted ones of ``ray`` with an argument; without assignments."""
    lines = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines += re.findall(r"`(ray [^` ]+ [^`…]+)`", text)
    parts = [part for line in lines for part in line.split(" && ")]
    words = [list(dropwhile(lambda word: "=" in word, shlex.split(part))) for part in parts]
    return [each for each in words if each[0] != "export"]


def of(program: str) -> list[list[str]]:
    return [words for words in commands(PAGE) if words[0] == program]


@pytest.mark.parametrize("words", of("ray"), ids=" ".join)
def test_ray_knows_the_command(words: list[str]) -> None:
    if ">" in words:
        words = words[: words.index(">")]
    given = ray_arguments(words)
    if "cluster_config_file" in given:
        assert ROOT / given["cluster_config_file"] in FILES
    if "entrypoint" in given:
        check_job(list(given["entrypoint"]))


def check_job(words: list[str]) -> None:
    from gluetune.cli.flags import parse
    from gluetune.cli.tune import TUNE

    assert words[:2] == ["python", "jobs/tune_glue.py"]
    parse(words[2:], TUNE)


def what_make_would_run(goals: list[str]) -> list[str]:
    """The one line with ``submit``; under another make (`make test`) this one also prints its folder."""
    dry = subprocess.run(["make", "-n", *goals], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in dry.splitlines() if "gluetune submit" in line]
    return shlex.split(line)


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_make_submits_what_the_page_says(words: list[str]) -> None:
    from gluetune.cli.flags import parse
    from gluetune.cli.tune import TUNE

    program, *command = what_make_would_run(words[1:])
    assert program.endswith("/gluetune")
    assert command[:3] == ["submit", "--", "tune"]
    parse(command[3:], TUNE)


def test_gluetune_submit_gives_a_job_what_the_command_of_the_page_and_the_readme_gives(tmp_path: Path) -> None:
    from gluetune.cli.submit import runtime_environment

    (page,) = [words for words in of("ray") if words[1:3] == ["job", "submit"]]
    shown = json.loads(page[page.index("--runtime-env-json") + 1])
    assert runtime_environment(ROOT, tmp_path)["env_vars"] == shown["env_vars"]
    (readme,) = re.findall(r"^(ray job submit.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(page) <= set(shlex.split(readme))


def test_from_nothing_to_zero_nodes_takes_at_most_eight_commands() -> None:
    (block,) = re.findall(r"(?:^    \S.*\n)+", SECTIONS["On AWS"].split("\n1. ")[0], re.MULTILINE)
    lines = block.splitlines()
    assert len(lines) <= 8
    assert lines[-1].strip() == "ray down -y cluster.yaml"


def test_every_other_command_is_a_known_program() -> None:
    assert {words[0] for words in commands(PAGE)} <= OTHER_TOOLS | {"ray", "make"}


def test_the_stack_is_given_what_it_asks_for() -> None:
    (deploy,) = [words for words in of("aws") if words[1:3] == ["cloudformation", "deploy"]]
    flags = dict(zip(deploy[3::2], deploy[4::2], strict=True))
    assert (ROOT / flags["--template-file"]).exists()
    assert flags["--region"] == read(AWS)["provider"]["region"]
    assert flags["--parameter-overrides"].partition("=")[0] == "Bucket"


def test_the_page_names_the_ray_that_is_pinned() -> None:
    versions = set(re.findall(r"(?<!Kube)Ray (\d+\.\d+)", PAGE))
    assert versions == {".".join(pinned("ray").split(".")[:2])}


def test_links_and_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / "how-to" / target).exists(), target
    for file in re.findall(r"`(deploy/[^` ]+)`", PAGE):
        assert (ROOT / file).exists(), file
    anchors = {heading.lower().replace(" ", "-") for heading in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


@pytest.mark.parametrize("file", ["README.md", "docs/how-to/cluster.md", "docs/explanation/reliability.md"])
def test_every_documented_submission_gives_a_stop_the_time_to_end_cleanly(file: str) -> None:
    environments = re.findall(r"--runtime-env-json '([^']+)'", (ROOT / file).read_text())
    assert environments
    for environment in environments:
        assert int(json.loads(environment)["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 30
