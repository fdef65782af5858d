"""Changes of meaning that keep a sentence plausible; each changes one slot of an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gluetune.synthetic.concepts import Noun
from gluetune.synthetic.events import Entity, Event, World
from gluetune.synthetic.lexicon import TIMES

Change = Callable[[Event, World], Event | None]
"""Gives the changed event, or ``None`` where it does not apply."""


def other_agent(event: Event, world: World) -> Event:
    """Somebody else does it."""
    noun = world.other_noun(event.agent.noun, *_nouns(event))
    return replace(event, agent=replace(event.agent, noun=noun))


def other_patient(event: Event, world: World) -> Event | None:
    """Somebody or something else undergoes it."""
    if event.patient is None:
        return None
    noun = world.other_noun(event.patient.noun, *_nouns(event))
    return replace(event, patient=replace(event.patient, noun=noun))


def other_verb(event: Event, world: World) -> Event:
    """Something else is done."""
    return replace(event, verb=world.other_verb(event.verb))


def other_place(event: Event, world: World) -> Event | None:
    """It is done elsewhere."""
    if event.place is None:
        return None
    return replace(event, place=world.rng.choice([place for place in world.places() if place != event.place]))


def other_time(event: Event, world: World) -> Event | None:
    """It is done at another time."""
    if event.time is None:
        return None
    return replace(event, time=world.rng.choice([time for time in TIMES if time != event.time]))


def swap_roles(event: Event, world: World) -> Event | None:
    """Who did it undergoes it; no word changes."""
    return event.swapped() if event.patient is not None and event.verb.reversible else None


def opposite_quality(event: Event, world: World) -> Event | None:
    """One participant has the opposite quality."""
    return _on_participant(
        event,
        world,
        lambda entity: None if entity.adjective is None else replace(entity, adjective=entity.adjective.opposite()),
    )


def add_quality(event: Event, world: World) -> Event | None:
    """One participant gets a quality."""
    return _on_participant(
        event,
        world,
        lambda entity: (
            None if entity.adjective is not None else replace(entity, adjective=world.adjective(entity.noun))
        ),
    )


def drop_quality(event: Event, world: World) -> Event | None:
    """One participant's quality is not told."""
    return _on_participant(
        event, world, lambda entity: None if entity.adjective is None else replace(entity, adjective=None)
    )


def hypernym(event: Event, world: World) -> Event | None:
    """One participant is named by its kind."""
    return _on_participant(
        event,
        world,
        lambda entity: None if entity.noun == entity.noun.hypernym() else replace(entity, noun=entity.noun.hypernym()),
    )


def negate(event: Event, world: World) -> Event:
    """It did not happen; or it did where it had not."""
    return replace(event, negated=not event.negated)


def drop_circumstance(event: Event, world: World) -> Event | None:
    """Place or time is not told."""
    present = [name for name in ("place", "time") if getattr(event, name) is not None]
    if not present:
        return None
    return replace(event, time=None) if world.rng.choice(present) == "time" else replace(event, place=None)


def add_circumstance(event: Event, world: World) -> Event | None:
    """A place or time is told."""
    absent = [name for name in ("place", "time") if getattr(event, name) is None]
    if not absent:
        return None
    if world.rng.choice(absent) == "time":
        return replace(event, time=world.rng.choice(TIMES))
    return replace(event, place=world.rng.choice(world.places()))


def first_that_applies(event: Event, world: World, changes: list[Change]) -> Event:
    """Applies one change, tried in random order.

    Raises:
        ValueError: none applies.
    """
    for change in world.rng.sample(changes, len(changes)):
        changed = change(event, world)
        if changed is not None:
            return changed
    raise ValueError(f"one of the changes must apply to {event}, but none of {len(changes)} does")


def _nouns(event: Event) -> tuple[Noun, ...]:
    return tuple(entity.noun for entity in (event.agent, event.patient) if entity is not None)


def _on_participant(event: Event, world: World, alter: Callable[[Entity], Entity | None]) -> Event | None:
    agent = alter(event.agent)
    patient = None if event.patient is None else alter(event.patient)
    options = [replace(event, agent=agent)] if agent is not None else []
    options += [replace(event, patient=patient)] if patient is not None else []
    return world.rng.choice(options) if options else None
