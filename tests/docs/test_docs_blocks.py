"""The blocks of the README and of the documentation are complete and say what gluetune accepts; nothing is run here."""

from __future__ import annotations

import ast
import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest

import gluetune
from gluetune.errors import UserError
from gluetune_commands import check_command, gluetune_commands, make_targets
from markdown_pages import NO, ROOT, Block, Page, page_names, parse_page, read_page
from page_files import SAMPLE_FILES
from page_runs import RUNS
from yaml_blocks import check_yaml, file_of, write_file

LANGUAGES = {
    *("bash", "python", "yaml", "json", "text", "toml", "dockerfile", "html", "ini", "sql", "make", "csv", "mermaid"),
    *("console", "systemd", "jsonl", "diff"),
}
NAMES = page_names()
PAGES = {name: read_page(name) for name in NAMES}
OF_OTHER_REPOSITORIES = {"docs/examples/sentence_embedding/bert.md"}
FOLDERS = "jobs|search_spaces|docs|examples|tests|platform|benchmarks|deploy"
IN_REPOSITORY = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w/?|(?<![\w./-])(?:Makefile|[a-z]+\.yaml)(?!\S)")
every_page = pytest.mark.parametrize("page", [PAGES[name] for name in NAMES], ids=NAMES)


def blocks(page: Page, language: str) -> list[Block]:
    return [block for block in page.blocks if block.language == language]


def check(mistakes: list[str]) -> None:
    assert not mistakes, "\n".join(mistakes)


@every_page
def test_every_block_has_a_language_and_every_mark_a_meaning(page: Page) -> None:
    mistakes = list(page.mistakes)
    mistakes += [
        f"{block.place}: {block.language or 'none'} is no language of a block; known are {', '.join(sorted(LANGUAGES))}"
        for block in page.blocks
        if block.language not in LANGUAGES
    ]
    mistakes += [f"{page.name}: no sample file {name}" for name in page.files if name not in SAMPLE_FILES]
    mistakes += [f"{page.name}: no finished run {name}" for name in page.runs if name not in RUNS]
    check(mistakes)


@every_page
def test_every_gluetune_command_has_known_flags_and_every_make_target_exists(page: Page) -> None:
    mistakes = []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(page, "bash"):
        for number, arguments in gluetune_commands(block.text):
            try:
                check_command(arguments)
            except (UserError, AssertionError) as error:
                mistakes.append(f"{page.name}:{block.line + number}: gluetune {' '.join(arguments)}: {error}")
        mistakes += [
            f"{page.name}:{block.line + number}: make {target}: no such target"
            for number, target in make_targets(block.text)
            if target not in targets
        ]
    check(mistakes)


@every_page
def test_every_python_block_compiles_and_calls_functions_that_exist(page: Page) -> None:
    mistakes = []
    for block in blocks(page, "python"):
        try:
            tree = ast.parse(block.text)
        except SyntaxError as error:
            mistakes.append(f"{page.name}:{block.line + (error.lineno or 1) - 1}: {error.msg}")
            continue
        mistakes += [f"{page.name}:{block.line + line - 1}: {what}" for line, what in unknown_names(tree)]
    check(mistakes)


def unknown_names(tree: ast.AST) -> list[tuple[int, str]]:
    """Names of the package that it does not have, and arguments that its functions do not take."""
    found = []
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else node
        if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
            continue
        if called.value.id != "gluetune":
            continue
        public = getattr(gluetune, called.attr, None)
        if public is None and called.attr != "errors":
            found.append((called.lineno, f"gluetune has no {called.attr}"))
        elif isinstance(node, ast.Call) and inspect.isfunction(public):
            parameters = inspect.signature(public).parameters.values()
            if all(each.kind is not each.VAR_KEYWORD for each in parameters):
                known = {each.name for each in parameters}
                found += [
                    (node.lineno, f"gluetune.{called.attr} has no argument {keyword.arg}")
                    for keyword in node.keywords
                    if keyword.arg is not None and keyword.arg not in known
                ]
    return found


@every_page
def test_every_yaml_json_and_toml_block_is_read(page: Page, tmp_path: Path) -> None:
    mistakes = []
    for block in blocks(page, "yaml"):
        write_file(block, tmp_path)
    for block in page.blocks:
        if block.treatment == NO:
            continue
        try:
            if block.language == "yaml":
                check_yaml(block, tmp_path)
            elif block.language == "json":
                json.loads(block.text)
            elif block.language == "toml":
                tomllib.loads(block.text)
        except Exception as error:
            mistakes.append(f"{block.place}: {type(error).__name__}: {error}")
    check(mistakes)


@every_page
def test_every_file_of_the_repository_that_is_named_exists(page: Page) -> None:
    folder = (ROOT / page.name).parent
    missing = []
    for line, target in page.links:
        kind, _, name = target.partition(":")
        if kind == "link":
            path = name.partition("#")[0]
            if path and not re.match(r"[a-z]+:", path) and not (folder / path).exists():
                missing.append(f"{page.name}:{line}: {path}")
    named = [(line, target[5:]) for line, target in page.links if target.startswith("code:")]
    named += [(block.line, block.text) for block in page.blocks if block.treatment != NO and block.language == "bash"]
    known = {*page.files, *OF_OTHER_REPOSITORIES, *(file_of(block) for block in page.blocks)}
    for line, text in named:
        for name in IN_REPOSITORY.findall(text):
            if "/" in name and "NAME" not in name and name not in known and not (ROOT / name).exists():
                missing.append(f"{page.name}:{line}: {name}")
    check(missing)


PAGE = """# Title
<!-- test: files tickets.csv -->

<!-- test: no (needs a bucket) -->
```bash
gluetune list --storage-path s3://team/runs
```

=== "Bash"

    ```bash
    echo two
    ```
"""


def test_a_mark_belongs_to_the_block_below_it_and_blocks_in_tabs_are_found() -> None:
    page = parse_page("page.md", PAGE)
    assert [(block.treatment, block.line) for block in page.blocks] == [("no", 6), ("run", 12)]
    assert page.files == ("tickets.csv",)
    assert not page.mistakes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("    gluetune list\n", "page.md:1"),
        ("<!-- test: no -->\n```bash\nls\n```\n", "page.md:1"),
        ("<!-- test: later (soon) -->\n```bash\nls\n```\n", "page.md:1"),
        ("Text.\n\n<!-- test: dry-run -->\n\nMore text.\n", "page.md:3"),
    ],
    ids=["indented", "no_reason", "unknown", "no_block"],
)
def test_a_mistake_in_a_page_is_shown_with_its_line(text: str, line: str) -> None:
    assert [mistake.startswith(line) for mistake in parse_page("page.md", text).mistakes] == [True]


@pytest.mark.parametrize(
    "line",
    [
        "gluetune tune --spase lora",
        "gluetune serch",
        "gluetune list --json | less && gluetune trials night --cvs > night.csv",
        "gluetune submit -- tune --lane 4",
        "FOO=1 watch gluetune show night --al \\\n  --json",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    *_, (_, arguments) = gluetune_commands(line)
    with pytest.raises((UserError, AssertionError)):
        check_command(arguments)
