"""``docs/reference/events.md``: the events of a run's journal, from their classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from event_texts import EXAMPLES, INTRODUCTION
from gluetune.events import SCHEMA_VERSION, ClassScores
from gluetune.events.search_events import JournalEvent
from json_types import json_type
from markup import anchor, first_lines, table

NON_FINITE = '`"NaN"`, `"Infinity"` or `"-Infinity"`'
TITLES: dict[type[BaseModel], str] = {ClassScores: "Class scores"}


def events_page() -> str:
    """Return the page in Markdown."""
    events = {event_name(model): model for model in get_args(JournalEvent)}
    listed = table(
        ("event", "when it is written"),
        ([f"[`{name}`](#{anchor(name)})", _first_sentence(model)] for name, model in events.items()),
    )
    introduction = INTRODUCTION.replace("VERSION", str(SCHEMA_VERSION))
    parts = [first_lines("Events of the journal", "the classes of `gluetune.events`", introduction), f"\n{listed}"]
    for name, model in [*events.items(), (TITLES[ClassScores], ClassScores)]:
        parts += _part(name, model)
    return "".join(parts)


def event_name(model: type[BaseModel]) -> str:
    """Return the value of an event's field ``event``."""
    return str(model.model_fields["event"].default)


def field_meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what each field means: its description, else the line of the class's docstring."""
    listed = re.findall(r"^ {8}(\w+): ((?:.|\n {12})*)", _attributes(model), re.MULTILINE)
    found = {name: " ".join(text.split()).rstrip(".").replace("``", "`") for name, text in listed}
    found = {name: re.sub(r"\bNone\b", "null", text) for name, text in found.items()}
    return found | {name: field.description for name, field in model.model_fields.items() if field.description}


def _attributes(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("Attributes:\n")[2]


def _first_sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


def _part(name: str, model: type[BaseModel]) -> Iterator[str]:
    meanings = field_meanings(model)
    rows = (
        [f"`{field}`", json_type(info.rebuild_annotation(), TITLES, NON_FINITE), meanings[field]]
        for field, info in model.model_fields.items()
        if field != "event" and not info.exclude
    )
    yield f"\n## {name}\n\n{_first_sentence(model)}\n\n" + table(("field", "type", "meaning"), rows)
    if name in EXAMPLES:
        yield f"\n```json\n{EXAMPLES[name].strip()}\n```\n"
