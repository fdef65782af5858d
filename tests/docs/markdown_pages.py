"""The fenced blocks of the README and the documentation, with the marks that say how a test treats each of them.

A mark is an HTML comment. On the line before a block:

- ``<!-- test: dry-run -->``: the gluetune commands run with ``--dry-run``;
- ``<!-- test: parse (reason) -->``: flags, job file and settings of the gluetune commands are checked, nothing is run;
- ``<!-- test: no (reason) -->``: nothing is checked but the flags of the gluetune commands.

Anywhere in a page, for all its blocks:

- ``<!-- test: files tickets.csv later.csv -->``: the page's folder has these sample files (`page_files.py`);
- ``<!-- test: run tickets-1 -->``: it has this finished run (`page_runs.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
RUN, DRY_RUN, PARSE, NO = "run", "dry-run", "parse", "no"
_MARK = re.compile(r"<!--\s*test:\s*(?P<kind>\S+)\s*(?P<rest>.*?)\s*-->", re.DOTALL)
_REASON = re.compile(r"\((.+)\)", re.DOTALL)
_CONTAINER = re.compile(r'(?:===|!!!|\?\?\?\+?)\s+[\w"]')  # Material for MkDocs: tabs and admonitions


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        page: path of the page below the repository's root.
        line: number of the block's first line of code in the page.
        language: what follows the fence; empty where nothing does.
        text: the code.
        treatment: what a test does with it: ``run``, ``dry-run``, ``parse`` or ``no``.
    """

    page: str
    line: int
    language: str
    text: str
    treatment: str

    @property
    def place(self) -> str:
        """Page and line, as editors open them."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its blocks in their order.

    Attributes:
        name: path below the repository's root.
        blocks: its blocks.
        files: names of the sample files that its folder has.
        runs: names of the finished runs that its folder has.
        links: link targets and inline code, each with the line of its paragraph.
        mistakes: what is wrong with blocks and marks, each with its line.
    """

    name: str
    blocks: tuple[Block, ...]
    files: tuple[str, ...]
    runs: tuple[str, ...]
    links: tuple[tuple[int, str], ...]
    mistakes: tuple[str, ...]


def page_names() -> list[str]:
    """Return the README and all pages of the documentation and of the examples."""
    found = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in found)]


def read_page(name: str) -> Page:
    """Read a page of the repository.

    Args:
        name: its path below the root.
    """
    return parse_page(name, (ROOT / name).read_text(encoding="utf-8"))


def parse_page(name: str, text: str) -> Page:
    """Collect blocks, marks and links of a page.

    Args:
        name: the page's name in places of mistakes.
        text: its Markdown.
    """
    tokens = MarkdownIt("commonmark").enable("table").parse(_without_containers(text))
    blocks: list[Block] = []
    lists: dict[str, list[str]] = {"files": [], RUN: []}
    links: list[tuple[int, str]] = []
    mistakes: list[str] = []
    mark: tuple[int, str] | None = None  # the line after the mark of a block, and the treatment
    for token in tokens:
        first, end = token.map or (0, 0)
        if token.type == "inline":
            links += [(first + 1, each) for each in _targets(token)]
        elif token.type == "html_block":
            mark = _take_marks(token, f"{name}:{first + 1}", lists, mistakes) or mark
        elif token.type == "code_block":
            mistakes.append(f"{name}:{first + 1}: an indented block must be a fenced one with a language")
        elif token.type == "fence":
            treatment = mark[1] if mark is not None and mark[0] == first else RUN
            if mark is not None and mark[0] == first:
                mark = None
            language = token.info.split()[0] if token.info.strip() else ""
            blocks.append(Block(name, first + 2, language, token.content, treatment))
        if mark is not None and token.type != "html_block" and token.map and end > mark[0] and token.nesting >= 0:
            mistakes.append(f"{name}:{mark[0]}: a mark must stand on the line before the fence of a block")
            mark = None
    return Page(name, tuple(blocks), tuple(lists["files"]), tuple(lists[RUN]), tuple(links), tuple(mistakes))


def _without_containers(text: str) -> str:
    """Return a page whose tabs and admonitions are part of its text, with all its lines where they were."""
    lines = []
    inside = False
    for line in text.splitlines():
        if _CONTAINER.match(line):
            inside = True
            lines.append("")
        elif inside and (line.startswith("    ") or not line.strip()):
            lines.append(line[4:])
        else:
            inside = False
            lines.append(line)
    return "\n".join(lines) + "\n"


def _take_marks(token: Token, place: str, lists: dict[str, list[str]], mistakes: list[str]) -> tuple[int, str] | None:
    """Read the marks of a comment: return that of a block, and add to the lists what the page needs."""
    found = None
    for match in _MARK.finditer(token.content):
        kind, rest = match["kind"], match["rest"]
        if kind in lists:
            lists[kind] += rest.split()
            if not rest:
                mistakes.append(f"{place}: test: {kind} must be followed by names")
        elif kind in (PARSE, NO):
            if not _REASON.fullmatch(rest):
                mistakes.append(f"{place}: test: {kind} must be followed by a reason in parentheses")
            found = (_end(token), kind)
        elif kind == DRY_RUN and not rest:
            found = (_end(token), kind)
        else:
            mistakes.append(f"{place}: no such mark: test: {kind} {rest}".rstrip())
    return found


def _end(token: Token) -> int:
    assert token.map is not None
    return token.map[0] + len(token.content.rstrip("\n").splitlines())


def _targets(token: Token) -> list[str]:
    """Return the link targets, pictures and inline code of a paragraph."""
    found = []
    for child in token.children or ():
        if child.type == "link_open":
            found.append("link:" + str(child.attrs["href"]))
        elif child.type == "image":
            found.append("link:" + str(child.attrs["src"]))
        elif child.type == "code_inline":
            found.append("code:" + child.content)
    return found
