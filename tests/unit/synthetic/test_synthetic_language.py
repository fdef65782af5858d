"""The grammar says what it means."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from gluetune.synthetic import changes
from gluetune.synthetic.events import Entity, Event, World
from gluetune.synthetic.inflection import plural, verb_forms
from gluetune.synthetic.lexicon import ADJECTIVES, NOUNS, TIMES, VERBS
from gluetune.synthetic.questions import Slot, ask
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import Style, Tense, punctuate, say

CHEF = next(noun for noun in NOUNS if "chef" in noun.words)
DOG = next(noun for noun in NOUNS if "dog" in noun.words)
HELP = next(verb for verb in VERBS if "help" in verb.words)
EVENT = Event(
    Entity(replace(CHEF, words=("chef",))),
    replace(HELP, words=("help",)),
    Entity(replace(DOG, words=("dog",)), many=True),
    time=TIMES[0],
)


def speaker() -> Speaker:
    return Speaker(Random(0))


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "The chef helped the dogs on Monday."),
        (Style(passive=True), "The dogs were helped by the chef on Monday."),
        (Style(fronted=True), "On Monday the chef helped the dogs."),
        (Style(tense=Tense.PRESENT), "The chef helps the dogs on Monday."),
        (Style(tense=Tense.PROGRESSIVE), "The chef is helping the dogs on Monday."),
        (Style(passive=True, tense=Tense.PROGRESSIVE), "The dogs are being helped by the chef on Monday."),
    ],
)
def test_voice_tense_and_order(style: Style, text: str) -> None:
    assert say(EVENT, speaker(), style) == text


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "The chef did not help the dogs on Monday."),
        (Style(passive=True), "The dogs were not helped by the chef on Monday."),
        (Style(tense=Tense.PRESENT), "The chef does not help the dogs on Monday."),
    ],
)
def test_negation(style: Style, text: str) -> None:
    assert say(replace(EVENT, negated=True), speaker(), style) == text


@pytest.mark.parametrize(
    ("slot", "passive", "text"),
    [
        (Slot.AGENT, 0.0, "Who helped the dogs on Monday?"),
        (Slot.AGENT, 1.0, "By whom were the dogs helped on Monday?"),
        (Slot.TIME, 0.0, "When did the chef help the dogs?"),
        (Slot.TIME, 1.0, "When were the dogs helped by the chef?"),
    ],
)
def test_questions(slot: Slot, passive: float, text: str) -> None:
    assert ask(EVENT, slot, Random(0), speaker(), passive) == text


def test_swapped_roles_share_all_words() -> None:
    event = replace(EVENT, patient=replace(EVENT.agent, noun=DOG))
    once, twice = (say(each, Speaker(Random(0), renewal=0.0)) for each in (event, event.swapped().swapped()))
    same = Speaker(Random(0), renewal=0.0)
    assert once == twice
    assert sorted(say(event, same).lower().split()) == sorted(say(event.swapped(), same).lower().split())


def test_swapping_the_roles_of_an_intransitive_event_is_refused() -> None:
    with pytest.raises(ValueError, match="transitive"):
        replace(EVENT, patient=None).swapped()


def test_a_speaker_renews_words_as_often_as_asked() -> None:
    words = ADJECTIVES[0].words
    always, never = Speaker(Random(0), renewal=1.0), Speaker(Random(0), renewal=0.0)
    said = [always.choose(words) for _ in range(10)]
    assert all(one != other for one, other in pairwise(said))
    assert len({never.choose(words) for _ in range(10)}) == 1


@pytest.mark.parametrize(
    "change",
    [
        changes.other_agent,
        changes.other_patient,
        changes.other_verb,
        changes.other_time,
        changes.swap_roles,
        changes.negate,
        changes.hypernym,
        changes.drop_circumstance,
    ],
)
def test_a_change_changes_the_meaning(change: changes.Change) -> None:
    changed = change(EVENT, World(Random(0)))
    assert changed is not None
    assert changed != EVENT


def test_a_change_that_does_not_apply_says_so() -> None:
    assert changes.opposite_quality(EVENT, World(Random(0))) is None
    with pytest.raises(ValueError, match="must apply"):
        changes.first_that_applies(EVENT, World(Random(0)), [changes.opposite_quality, changes.other_place])


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("child", "children"),
        ("thief", "thieves"),
        ("boss", "bosses"),
        ("lorry", "lorries"),
        ("box", "boxes"),
        ("dog", "dogs"),
    ],
)
def test_plurals(noun: str, many: str) -> None:
    assert plural(noun) == many


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("hug", ("hug", "hugs", "hugged", "hugged", "hugging")),
        ("fix", ("fix", "fixes", "fixed", "fixed", "fixing")),
        ("hide", ("hide", "hides", "hid", "hidden", "hiding")),
        ("nap", ("nap", "naps", "napped", "napped", "napping")),
        ("take", ("take", "takes", "took", "taken", "taking")),
        ("purchase", ("purchase", "purchases", "purchased", "purchased", "purchasing")),
    ],
)
def test_verb_forms(base: str, forms: tuple[str, ...]) -> None:
    found = verb_forms(base)
    assert (found.base, found.third, found.past, found.participle, found.progressive) == forms


def test_articles_and_capitals() -> None:
    assert punctuate(("a", "artist", "saw", "a", "dog", ",", "too")) == "An artist saw a dog, too."


def test_words_of_two_concepts_are_never_the_same() -> None:
    for table in (NOUNS, VERBS, ADJECTIVES):
        words = [word for concept in table for word in concept.words]
        assert len(set(words)) == len(words)
