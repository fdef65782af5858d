"""Textual entailment (MNLI, SNLI, RTE, AX) by hypernym, quantifier, negation and modifier rules.

Definite phrases of both sentences corefer (SNLI's convention, Bowman et al. 2015): ``the tall chef`` and ``the person``
are the same one. So telling less is entailed, telling more is neutral, and an opposite or a negation contradicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gluetune.synthetic import changes
from gluetune.synthetic.events import Event, World
from gluetune.synthetic.row import Row
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import Style, Tense, any_style, say

LABELS = ("entailment", "neutral", "contradiction")

_WEAKER: list[changes.Change] = [changes.drop_quality, changes.drop_circumstance, changes.hypernym]
_STRONGER: list[changes.Change] = [changes.add_quality, changes.add_circumstance]
_UNRELATED: list[changes.Change] = [
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.swap_roles,
    changes.swap_roles,
]

_QUANTIFIED = {
    "entailment": (("all", "some"), ("many", "some"), ("all", "many"), ("no", "no"), ("all", "all"), ("some", "some")),
    "neutral": (("some", "all"), ("some", "many"), ("many", "all")),
    "contradiction": (("all", "no"), ("some", "no"), ("many", "no"), ("no", "some"), ("no", "all"), ("no", "many")),
}
"""Determiners of premise and hypothesis, everything else being the same."""


@dataclass(frozen=True, slots=True)
class Genre:
    """How a task's sentences sound.

    Attributes:
        tense: tense of both sentences.
        determiner: article of all participants.
        quantified: share of pairs about quantifiers.
        negated: share of premises that are negated.
        second_premise: whether a second sentence about other participants stands in the premise.
    """

    tense: Tense = Tense.PAST
    determiner: str = "the"
    quantified: float = 0.2
    negated: float = 0.2
    second_premise: bool = False


STORY = Genre()
CAPTION = Genre(tense=Tense.PROGRESSIVE, determiner="a", quantified=0.0, negated=0.1)
REPORT = Genre(quantified=0.0, negated=0.0, second_premise=True)
DIAGNOSTIC = Genre(quantified=0.4, negated=0.4)


def mnli(world: World) -> Row:
    """A premise and a hypothesis in three classes, as many of each."""
    return pair(world, world.rng.choice(LABELS), STORY)


def snli(world: World) -> Row:
    """The same about a scene that is going on."""
    return pair(world, world.rng.choice(LABELS), CAPTION)


def ax(world: World) -> Row:
    """Mostly quantifiers and negation, in the class balance of GLUE's diagnostic set (42/35/23%)."""
    return pair(world, world.rng.choices(LABELS, (42, 35, 23))[0], DIAGNOSTIC)


def rte(world: World) -> Row:
    """A longer premise and a hypothesis in two classes."""
    entailed = world.rng.random() < 0.5
    row = pair(world, "entailment" if entailed else "neutral", REPORT)
    return replace(row, label="entailment" if entailed else "not_entailment")


def pair(world: World, label: str, genre: Genre) -> Row:
    """A premise and a hypothesis of this class."""
    if world.rng.random() < genre.quantified:
        return quantified(world, label, genre)
    event = world.event(world.verb(transitive=True), adjective=0.7)
    premise = replace(event, negated=world.rng.random() < genre.negated)
    other = None
    if genre.second_premise:
        other = world.event(world.verb(transitive=True), place=0.2, time=0.2)
        hypothesis = _mixed(premise, other, world) if label != "entailment" else _related(premise, world, label)
    else:
        hypothesis = _related(premise, world, label)
    return Row(_said(premise, other, hypothesis, world, genre), label)


def _related(premise: Event, world: World, label: str) -> Event:
    shorter = _maybe(premise, world, _WEAKER, 0.6)
    if label == "entailment":
        return shorter
    if label == "contradiction":
        return changes.first_that_applies(shorter, world, [changes.negate, changes.opposite_quality])
    if world.rng.random() < 0.25:
        return changes.first_that_applies(premise, world, [*_STRONGER, changes.swap_roles, changes.other_verb])
    unrelated = changes.first_that_applies(shorter, world, _UNRELATED)
    return changes.negate(unrelated, world) if world.rng.random() < 0.6 else unrelated


def _mixed(premise: Event, other: Event, world: World) -> Event:
    """A hypothesis of the premises' own words that neither of them says."""
    if premise.verb.patients == other.verb.patients and other.patient is not None and world.rng.random() < 0.4:
        return replace(premise, patient=other.patient)
    return _maybe(changes.first_that_applies(premise, world, _UNRELATED), world, _WEAKER, 0.4)


def _maybe(event: Event, world: World, options: list[changes.Change], probability: float) -> Event:
    if world.rng.random() >= probability:
        return event
    applicable = [change for change in options if change(event, world) is not None]
    return changes.first_that_applies(event, world, applicable) if applicable else event


def _said(premise: Event, other: Event | None, hypothesis: Event, world: World, genre: Genre) -> tuple[str, str]:
    speaker = Speaker(world.rng)
    told = [say_in(genre, event, world, speaker) for event in (premise, other) if event is not None]
    world.rng.shuffle(told)
    return " ".join(told), say_in(genre, hypothesis, world, speaker)


def say_in(genre: Genre, event: Event, world: World, speaker: Speaker) -> str:
    """An event as a genre tells it."""
    agent = replace(event.agent, determiner="the" if event.agent.many else genre.determiner)
    patient = event.patient
    if patient is not None:
        patient = replace(patient, determiner="the" if patient.many else genre.determiner)
    return say(replace(event, agent=agent, patient=patient), speaker, any_style(world.rng, genre.tense))


def quantified(world: World, label: str, genre: Genre) -> Row:
    """A pair of this class whose sentences differ in the quantifier only."""
    event = world.event(world.verb(transitive=True), adjective=0.0)
    determiners = world.rng.choice(_QUANTIFIED[label])
    speaker = Speaker(world.rng)
    texts = []
    for determiner in determiners:
        agent = replace(event.agent, many=True, determiner=determiner)
        style = Style(world.rng.random() < 0.3, world.rng.random() < 0.4, genre.tense)
        texts.append(say(replace(event, agent=agent), speaker, style))
    return Row((texts[0], texts[1]), label)
