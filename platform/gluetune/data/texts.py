"""Text columns of a task of the user's own, and the columns of a table that they are made from."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from gluetune.data.table import Table
from gluetune.errors import ConfigError, ConfigIssue, DataError


@dataclass(frozen=True, slots=True)
class TextTemplate:
    r"""How one text column is made from columns of a table.

    Attributes:
        name: name of the text column, one of ``Task.columns``.
        parts: literal text, and the name of the column that comes after it, ``None`` after the last literal.
    """

    name: str
    parts: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the table, each once, in the order of their first use."""
        return tuple(dict.fromkeys(field for _, field in self.parts if field is not None))

    @property
    def text(self) -> str:
        r"""The template as a job file has it, such as ``{title}\n{body}``."""
        escaped = ((literal.replace("{", "{{").replace("}", "}}"), field) for literal, field in self.parts)
        return "".join(literal + ("" if field is None else f"{{{field}}}") for literal, field in escaped)

    def format(self, row: Mapping[str, Any]) -> str:
        """Return the text of one row; a cell that is ``None`` is an empty text.

        Args:
            row: has all `fields`.
        """
        cells = ((literal, None if field is None else row[field]) for literal, field in self.parts)
        return "".join(literal + ("" if cell is None else str(cell)) for literal, cell in cells)

    def render(self, rows: pa.Table, table: Table) -> pa.LargeStringArray:
        """Return the [rows] texts; a cell without a value is an empty text.

        Args:
            rows: has all `fields`.
            table: the table that they come from, whose place messages name.

        Raises:
            DataError: a column holds lists.
        """
        for name in self.fields:
            if not pa.types.is_large_string(rows.schema.field(name).type):
                raise DataError(f"{name!r} must hold text, but holds lists", table.place)
        pieces: list[Any] = []
        for literal, field in self.parts:
            pieces += [pa.scalar(literal, pa.large_string())] if literal else []
            pieces += [] if field is None else [pc.fill_null(rows.column(field), "")]
        if len(pieces) == 1:
            joined = pieces[0]
        else:
            joined = pc.binary_join_element_wise(*pieces, pa.scalar("", pa.large_string()))
        return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def parse_text(text: str | Sequence[str], task: str) -> tuple[TextTemplate, ...]:
    r"""Return how the text columns of a task are made: one, or two that form a pair.

    Args:
        text: the name of a column, a template such as ``{title}\n{body}``, or one or two of these. A brace that is part
            of the text is doubled, as in Python's `str.format`.
        task: name of the task, for messages.

    Raises:
        ConfigError: there are more than two, two are the same, or a template is malformed.
    """
    given = [text] if isinstance(text, str) else list(text)
    if len(given) > 2:
        example = "".join(f"{{{name}}}\\n" for name in given).removesuffix("\\n")
        _refuse(
            task, f'must be one column or two as a pair, but got {len(given)}; text: "{example}" joins them into one'
        )
    names = ["text"] if len(given) == 1 else ["text1", "text2"]
    names = [name if name not in given else f"{name}_" for name in names]  # names of templates, not of columns
    templates = [_template(each, name, task) for name, each in zip(names, given, strict=True)]
    if len(templates) == 2 and templates[0].parts == templates[1].parts:
        _refuse(task, f"the two texts of a pair must differ, but both are {given[0]!r}")
    return tuple(templates)


def _template(text: str, name: str, task: str) -> TextTemplate:
    if "{" not in text:
        return TextTemplate(text, (("", text),))
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        _refuse(task, f"must be a template such as '{{title}}: {{body}}', but got {text!r} ({error})")
    for _, field, spec, conversion in parsed:
        if field == "" or spec or conversion:
            _refuse(task, f"each {{…}} of a template must hold the name of a column alone, but got {text!r}")
    parts = tuple((literal, field) for literal, field, _, _ in parsed)
    return TextTemplate(name, parts)


def _refuse(task: str, message: str) -> NoReturn:
    raise ConfigError([ConfigIssue.at(("tasks", task, "text"), message)])


def check_texts(texts: pa.LargeStringArray, table: Table) -> None:
    """Check that texts hold no NUL characters, which are a sign of another format or a damaged file.

    Args:
        texts: [rows] texts of one column.
        table: the table that they come from, whose place the message names.

    Raises:
        DataError: a text holds one; names its row.
    """
    row = pc.index(pc.match_substring(texts, "\0"), True).as_py()
    if row >= 0:
        raise table.error("text must not have NUL characters, but has one", row)
