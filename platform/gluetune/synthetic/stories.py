"""Documents of the generated language, for pre-training: consecutive sentences are about the same topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from gluetune.synthetic import changes
from gluetune.synthetic.acceptability import acceptable, said_well
from gluetune.synthetic.concepts import Domain
from gluetune.synthetic.entailment import CAPTION, STORY, Genre, quantified, say_in
from gluetune.synthetic.events import Event, World
from gluetune.synthetic.pronouns import explained
from gluetune.synthetic.questions import Slot, ask
from gluetune.synthetic.sentiment import opinion
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import Tense

Series = Callable[[World], list[list[str]]]
"""Gives documents that stand one behind the other."""


def corpus(seed: int = 0, documents: int = 16000) -> Iterator[list[str]]:
    """Documents, each a list of consecutive sentences about one topic.

    Neighbouring documents often tell of events that differ in one slot, as reports of similar events do.

    Args:
        seed: the same seed gives the same documents.
        documents: how many.
    """
    rng = Random(f"corpus/{seed}")
    yield from islice(_all_series(rng), documents)


def _all_series(rng: Random) -> Iterator[list[str]]:
    while True:
        world = World(rng, rng.choices(tuple(Domain), (2, 1))[0])
        yield from rng.choices(_SERIES, _WEIGHTS)[0](world)


def _told(world: World) -> list[list[str]]:
    """Events of which each differs from the one before, each told again and again in other words, whole or in part."""
    genre = world.rng.choice((STORY, STORY, CAPTION))
    event = world.event(world.verb(transitive=True), adjective=0.4)
    documents = [_document(event, world, genre)]
    for _ in range(3):
        event = _another(event, world)
        documents.append(_document(event, world, genre))
    return documents


def _another(event: Event, world: World) -> Event:
    """Quite another event, or one that differs in up to four slots."""
    if world.rng.random() < 0.4:
        return world.event(event.verb if world.rng.random() < 0.3 else world.verb(transitive=True), adjective=0.4)
    for _ in range(world.rng.choice((1, 2, 3, 4))):
        event = changes.first_that_applies(event, world, _CHANGES)
    return event


def _document(event: Event, world: World, genre: Genre) -> list[str]:
    speaker = Speaker(world.rng, renewal=world.rng.choice((0.0, 0.25, 0.5)))
    lines = [say_in(genre, event, world, speaker)]
    for _ in range(world.rng.randint(3, 5)):
        asking = genre.tense is Tense.PAST and not event.negated and world.rng.random() < 0.2
        lines.append(
            _question(event, world, speaker) if asking else say_in(genre, _shortened(event, world), world, speaker)
        )
    return lines


_CHANGES: list[changes.Change] = [
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.other_place,
    changes.other_time,
    changes.swap_roles,
    changes.swap_roles,
    changes.negate,
    changes.opposite_quality,
]


def _question(event: Event, world: World, speaker: Speaker) -> str:
    slot = world.rng.choice([slot for slot in Slot if slot.answered_by(event)])
    return ask(event, slot, world.rng, speaker)


def _shortened(event: Event, world: World) -> Event:
    if world.rng.random() < 0.65:
        return event
    shorten = world.rng.choice((changes.drop_circumstance, changes.drop_quality, changes.hypernym))
    return shorten(event, world) or event


def _followed(world: World) -> list[list[str]]:
    """A statement about all, many, some or none, and what follows from it."""
    return [list(quantified(world, "entailment", STORY).texts)]


def _reviewed(world: World) -> list[list[str]]:
    """Opinions that agree, then opinions that disagree with them."""
    positive = world.rng.random() < 0.5
    return [
        [opinion(world.rng, praised) for _ in range(world.rng.randint(3, 5))] for praised in (positive, not positive)
    ]


def _described(world: World) -> list[list[str]]:
    """One event in several tenses, of several participants of a kind."""
    event = world.event(place=0.4, time=0.2)
    return [[said_well(event, world) for _ in range(world.rng.randint(3, 5))]]


def _introduced(world: World) -> list[list[str]]:
    """Single sentences with names and pronouns."""
    return [[*explained(world), acceptable(world)]]


_SERIES: tuple[Series, ...] = (_told, _followed, _reviewed, _described, _introduced)
_WEIGHTS = (8, 2, 1, 8, 4)
