"""Acceptability (CoLA): each violation is made from an acceptable sentence of the same grammar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from gluetune.synthetic.concepts import Name, Verb
from gluetune.synthetic.events import Event, World
from gluetune.synthetic.lexicon import NAMES, VERBS
from gluetune.synthetic.row import Row
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import Phrase, Role, Style, Tense, any_style, clause, sentence

_SINGULAR = ("the", "a", "this", "every")
_PLURAL = ("the", "these", "many", "some", "all")
Violation = Callable[[World], str]


def cola(world: World) -> Row:
    """A sentence; 70% are acceptable as in CoLA (Warstadt et al. 2019)."""
    if world.rng.random() < 0.7:
        return Row((acceptable(world),), "acceptable")
    return Row((world.rng.choice(_VIOLATIONS)(world),), "unacceptable")


def acceptable(world: World) -> str:
    """A well-formed sentence."""
    if world.rng.random() < 0.15:
        return _reflexive(world, matching=True)
    return said_well(world.event(place=0.4, time=0.2), world)


def said_well(event: Event, world: World) -> str:
    """An event in any tense, with any determiner that agrees."""
    return sentence(_clause(_determined(event, world.rng), world))


def _base(world: World, verb: Verb) -> list[Phrase]:
    return _clause(_determined(world.event(verb, place=0.4, time=0.2), world.rng), world)


def _clause(event: Event, world: World) -> list[Phrase]:
    style = any_style(world.rng, world.rng.choice(tuple(Tense)), passive=0.25, fronted=0.3)
    event = replace(event, negated=world.rng.random() < 0.2)
    return clause(event, Speaker(world.rng), style)


def _determined(event: Event, rng: Random) -> Event:
    agent = replace(event.agent, determiner=rng.choice(_PLURAL if event.agent.many else _SINGULAR))
    return replace(event, agent=agent)


def _agreement(world: World) -> str:
    """``*The dogs is sleeping.``: the verb takes the other number."""
    event = _determined(world.event(place=0.4, time=0.2), world.rng)
    wrong = replace(event, agent=replace(event.agent, many=not event.agent.many))
    style = Style(tense=world.rng.choice((Tense.PRESENT, Tense.PROGRESSIVE)), fronted=world.rng.random() < 0.3)
    speaker = Speaker(world.rng, renewal=0.0)
    phrases, others = clause(event, speaker, style), clause(wrong, speaker, style)
    return sentence(
        other if phrase.role is Role.VERB else phrase for phrase, other in zip(phrases, others, strict=True)
    )


def _determiner(world: World) -> str:
    """``*These dog sleeps.``: the determiner takes the other number."""
    event = world.event(place=0.4, time=0.2)
    wrong = _SINGULAR[1:] if event.agent.many else _PLURAL[1:]
    return sentence(_clause(replace(event, agent=replace(event.agent, determiner=world.rng.choice(wrong))), world))


def _order_in_phrase(world: World) -> str:
    """``*The dog old sleeps.``: a noun phrase's words in another order."""
    phrases = _base(world, world.verb())
    place = next(i for i, phrase in enumerate(phrases) if phrase.role is Role.SUBJECT)
    words = phrases[place].words
    first = 0 if len(words) == 2 else world.rng.randrange(2)
    shuffled = (*words[:first], words[first + 1], words[first], *words[first + 2 :])
    return sentence([*phrases[:place], replace(phrases[place], words=shuffled), *phrases[place + 1 :]])


def _order_of_phrases(world: World) -> str:
    """``*Helped the dog the chef.``: the verb does not stand behind its subject."""
    phrases = [phrase for phrase in _base(world, world.verb(transitive=True)) if phrase.role is not Role.TIME]
    subject, verb, *rest = phrases
    return sentence(world.rng.choice(([verb, subject, *rest], [subject, *rest, verb])))


def _valency(world: World) -> str:
    """``*The chef slept the dog.``, ``*The chef helped.``: an object too many or too few."""
    event = _determined(world.event(world.verb(transitive=True), place=0.4, time=0.2), world.rng)
    if world.rng.random() < 0.5:
        return sentence(clause(replace(event, patient=None), Speaker(world.rng), Style()))
    intransitive = world.rng.choice([verb for verb in VERBS if not verb.transitive])
    return sentence(clause(replace(event, verb=intransitive), Speaker(world.rng), Style()))


def _auxiliary(world: World) -> str:
    """``*The dog did not slept.``: the form behind the auxiliary is another one."""
    event = _determined(world.event(place=0.4, time=0.2), world.rng)
    tense = world.rng.choice((Tense.PAST, Tense.PROGRESSIVE))
    phrases = clause(replace(event, negated=True), Speaker(world.rng), Style(tense=tense))
    return sentence(_misformed(phrase, event, tense) if phrase.role is Role.VERB else phrase for phrase in phrases)


def _misformed(phrase: Phrase, event: Event, tense: Tense) -> Phrase:
    forms = [event.verb.forms(word) for word in event.verb.words]
    wrong = {
        form.base if tense is Tense.PAST else form.progressive: form.past if tense is Tense.PAST else form.base
        for form in forms
    }
    return replace(phrase, words=(*phrase.words[:-1], wrong[phrase.words[-1]]))


def _mismatched_reflexive(world: World) -> str:
    """``*Mary praised himself.``: the reflexive does not agree."""
    return _reflexive(world, matching=False)


def _reflexive(world: World, matching: bool) -> str:
    name = world.rng.choice(NAMES)
    pronoun = name.reflexive if matching else Name(name.word, not name.feminine).reflexive
    phrases = _clause_of_name(name, world)
    return sentence([*phrases[:2], Phrase(Role.OBJECT, (pronoun,)), *phrases[3:]])


def _clause_of_name(name: Name, world: World) -> list[Phrase]:
    event = world.event(world.verb(reversible=True), place=0.4, time=0.2)
    event = replace(event, agent=replace(event.agent, many=False))
    phrases = clause(event, Speaker(world.rng), Style(tense=world.rng.choice((Tense.PAST, Tense.PRESENT))))
    return [Phrase(Role.SUBJECT, (name.word,)), *phrases[1:]]


_VIOLATIONS: tuple[Violation, ...] = (
    _agreement,
    _agreement,
    _determiner,
    _order_in_phrase,
    _order_of_phrases,
    _valency,
    _auxiliary,
    _mismatched_reflexive,
)
