"""The grammar of the generated text: inflection, realization, questions and changes of meaning."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from gluetune.synthetic import changes
from gluetune.synthetic.lexicon import ADJECTIVES, NOUNS, TIMES, VERBS, pluralize, verb_forms
from gluetune.synthetic.realization import LexicalChooser, Slot, Style, Tense, punctuate, render, render_question
from gluetune.synthetic.scenes import Participant, Scene, SceneSampler

CHEF = next(noun for noun in NOUNS if "chef" in noun.words)
DOG = next(noun for noun in NOUNS if "dog" in noun.words)
HELP = next(verb for verb in VERBS if "help" in verb.words)
SCENE = Scene(
    Participant(replace(CHEF, words=("chef",))),
    replace(HELP, words=("help",)),
    Participant(replace(DOG, words=("dog",)), plural=True),
    time=TIMES[0],
)


def chooser() -> LexicalChooser:
    return LexicalChooser(Random(0))


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
    assert render(SCENE, chooser(), style) == text


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "The chef did not help the dogs on Monday."),
        (Style(passive=True), "The dogs were not helped by the chef on Monday."),
        (Style(tense=Tense.PRESENT), "The chef does not help the dogs on Monday."),
    ],
)
def test_negation(style: Style, text: str) -> None:
    assert render(replace(SCENE, negated=True), chooser(), style) == text


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
    assert render_question(SCENE, slot, Random(0), chooser(), passive) == text


def test_swapped_roles_share_all_words() -> None:
    scene = replace(SCENE, patient=replace(SCENE.agent, noun=DOG))
    once, twice = (
        render(each, LexicalChooser(Random(0), switch_probability=0.0))
        for each in (scene, scene.with_swapped_roles().with_swapped_roles())
    )
    same = LexicalChooser(Random(0), switch_probability=0.0)
    assert once == twice
    assert sorted(render(scene, same).lower().split()) == sorted(
        render(scene.with_swapped_roles(), same).lower().split()
    )


def test_swapping_the_roles_of_an_intransitive_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="transitive"):
        replace(SCENE, patient=None).with_swapped_roles()


def test_the_lexical_chooser_switches_synonyms_with_the_given_probability() -> None:
    words = ADJECTIVES[0].words
    always, never = LexicalChooser(Random(0), switch_probability=1.0), LexicalChooser(Random(0), switch_probability=0.0)
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
def test_a_change_changes_the_meaning(change: changes.SceneChange) -> None:
    changed = change(SCENE, SceneSampler(Random(0)))
    assert changed is not None
    assert changed != SCENE


def test_changes_that_do_not_apply_are_refused() -> None:
    assert changes.opposite_quality(SCENE, SceneSampler(Random(0))) is None
    with pytest.raises(ValueError, match="must apply"):
        changes.apply_any(SCENE, SceneSampler(Random(0)), [changes.opposite_quality, changes.other_place])


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
    assert pluralize(noun) == many


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
