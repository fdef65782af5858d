"""Stories of the generated language, for pre-training: consecutive sentences speak of the same events and participants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from gluetune.data.embedded import changes
from gluetune.data.embedded.acceptability import acceptable
from gluetune.data.embedded.concepts import Domain
from gluetune.data.embedded.entailment import CAPTION, DIAGNOSTIC, STORY, pair
from gluetune.data.embedded.events import Event, World
from gluetune.data.embedded.pronouns import explained
from gluetune.data.embedded.questions import Slot, ask
from gluetune.data.embedded.sentiment import opinion
from gluetune.data.embedded.speaker import Speaker
from gluetune.data.embedded.wording import any_style, say

Passage = Callable[[World], list[str]]


def corpus(seed: int = 0, documents: int = 6000) -> Iterator[list[str]]:
    """Documents, each a list of consecutive sentences.

    Args:
        seed: the same seed gives the same documents.
        documents: how many.
    """
    rng = Random(f"corpus/{seed}")
    for _ in range(documents):
        world = World(rng, rng.choices(tuple(Domain), (2, 1))[0])
        yield [line for _ in range(rng.randint(2, 4)) for line in rng.choices(_PASSAGES, _WEIGHTS)[0](world)]


def _restated(world: World) -> list[str]:
    """An event said several times in other words, ever shorter."""
    event = world.event(world.verb(transitive=True))
    speaker = Speaker(world.rng)
    told = [event, event, _shortened(event, world)]
    return [say(each, speaker, any_style(world.rng)) for each in told]


def _shortened(event: Event, world: World) -> Event:
    return changes.drop_circumstance(event, world) or changes.drop_quality(event, world) or event


def _questioned(world: World) -> list[str]:
    """A question, the same question in other words, its answer."""
    event = world.event(world.verb(transitive=True), place=0.6, time=0.6)
    slot = world.rng.choice([slot for slot in Slot if slot.answered_by(event)])
    speaker = Speaker(world.rng)
    questions = [ask(event, slot, world.rng, speaker) for _ in range(2)]
    return [*questions, say(event, speaker, any_style(world.rng))]


def _told_again(world: World) -> list[str]:
    """A statement and what follows from it."""
    genre = world.rng.choice((STORY, CAPTION, DIAGNOSTIC))
    return list(pair(world, "entailment", genre).texts)


def _reviewed(world: World) -> list[str]:
    """Opinions that agree."""
    positive = world.rng.random() < 0.5
    return [opinion(world.rng, positive) for _ in range(2)]


def _described(world: World) -> list[str]:
    """Sentences of all tenses, determiners and pronouns."""
    return [acceptable(world), acceptable(world)]


_PASSAGES: tuple[Passage, ...] = (_restated, _questioned, _told_again, _reviewed, _described, explained)
_WEIGHTS = (6, 3, 3, 2, 3, 1)
