"""Paraphrase pairs (MRPC, QQP) and graded similarity (STS-B).

A paraphrase exchanges synonyms and reorders (active/passive, position of the time). Its hard negatives share all the
words: the same verb with swapped roles.
"""

from __future__ import annotations

from gluetune.synthetic import changes
from gluetune.synthetic.events import Event, World
from gluetune.synthetic.questions import Slot, ask
from gluetune.synthetic.row import Row
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import any_style, say

_OTHER_SLOT: list[changes.Change] = [
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.opposite_quality,
]


def mrpc(world: World) -> Row:
    """A pair of statements; two thirds are equivalent as in MRPC (Dolan and Brockett 2005)."""
    event = world.event(world.verb(reversible=True))
    equivalent = world.rng.random() < 0.67
    second = event if equivalent else _changed(event, world)
    return Row(_pair(event, second, world, renewal=0.35), "equivalent" if equivalent else "not_equivalent")


def qqp(world: World) -> Row:
    """A pair of questions; 37% are duplicates as in QQP."""
    event = world.event(world.verb(reversible=True), place=0.5, time=0.5)
    slots = [slot for slot in Slot if slot.answered_by(event)]
    slot = world.rng.choice(slots)
    duplicate = world.rng.random() < 0.37
    speaker = Speaker(world.rng, renewal=0.5)
    if duplicate:
        second = (event, slot)
    elif len(slots) > 1 and world.rng.random() < 0.3:
        second = (event, world.rng.choice([other for other in slots if other is not slot]))
    else:
        second = (_otherwise(event, slot, world), slot)
    return Row(
        (ask(event, slot, world.rng, speaker), ask(*second, world.rng, speaker)),
        "duplicate" if duplicate else "not_duplicate",
    )


_SLOTS: tuple[changes.Change, ...] = (
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.other_place,
    changes.other_time,
)


def stsb(world: World) -> Row:
    """A pair of statements; its score falls with the number of slots that differ, 5 (the same) to 0 (unrelated)."""
    event = world.event(world.verb(transitive=True), place=1.0, time=1.0, adjective=0.15)
    differing = world.rng.randint(0, len(_SLOTS))
    second = event
    for change in world.rng.sample(_SLOTS, differing):
        second = change(second, world) or second
    score = 5.0 - differing
    if differing <= 2 and second.verb.reversible and world.rng.random() < 0.3:
        second, score = second.swapped(), score - 2.0
    score = min(5.0, max(0.0, score + world.rng.gauss(0.0, 0.3)))
    return Row(_pair(event, second, world, renewal=0.95), round(score * 5) / 5)


def _otherwise(event: Event, slot: Slot, world: World) -> Event:
    """An event that asks another question; a change of the slot that is asked for would not show."""
    if slot is Slot.AGENT:
        return changes.first_that_applies(event, world, [changes.other_patient, changes.other_verb])
    return _changed(event, world)


def _changed(event: Event, world: World) -> Event:
    """Swapped roles, or one to three other slots."""
    if world.rng.random() < 0.3:
        return event.swapped()
    for _ in range(world.rng.choice((1, 2, 2, 3))):
        event = changes.first_that_applies(event, world, _OTHER_SLOT)
    return event


def _pair(first: Event, second: Event, world: World, renewal: float) -> tuple[str, str]:
    speaker = Speaker(world.rng, renewal)
    return say(first, speaker, any_style(world.rng)), say(second, speaker, any_style(world.rng))
