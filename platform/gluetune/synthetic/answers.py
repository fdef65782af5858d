"""Question and sentence pairs (QNLI): does the sentence answer the question?

Sentences that do not answer share the question's words: they lack what is asked for, tell another event, or swap roles.
"""

from __future__ import annotations

from dataclasses import replace

from gluetune.synthetic import changes
from gluetune.synthetic.events import Event, World
from gluetune.synthetic.questions import Slot, ask
from gluetune.synthetic.row import Row
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import any_style, say


def qnli(world: World) -> Row:
    """A question and a sentence; half of them are answers as in QNLI (Wang et al. 2019)."""
    event = world.event(world.verb(reversible=True), place=0.6, time=0.6)
    slot = world.rng.choice([slot for slot in Slot if slot.answered_by(event)])
    answered = world.rng.random() < 0.5
    told = event if answered else _unanswering(event, slot, world)
    speaker = Speaker(world.rng)
    return Row(
        (ask(event, slot, world.rng, speaker), say(told, speaker, any_style(world.rng))),
        "entailment" if answered else "not_entailment",
    )


def _unanswering(event: Event, slot: Slot, world: World) -> Event:
    if slot is not Slot.AGENT and world.rng.random() < 0.4:
        return _without(event, slot, world)
    if world.rng.random() < 0.4:
        return event.swapped()
    return changes.first_that_applies(event, world, [changes.other_patient, changes.other_verb])


def _without(event: Event, slot: Slot, world: World) -> Event:
    """The event without what is asked for; where it tells the other circumstance less often, that one is added."""
    silent = slot.hidden_in(event)
    if slot is Slot.PLACE:
        return silent if silent.time else replace(silent, time=world.event(time=1.0).time)
    return silent if silent.place else replace(silent, place=world.rng.choice(world.places()))
