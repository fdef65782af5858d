"""Rows of GLUE's single-sentence tasks: acceptability (CoLA) and sentiment (SST-2).

An unacceptable sentence is an acceptable one of the same grammar with one violation. In opinions, negation inverts the
sentiment, intensifiers do not change it, and the main or last clause of a contrast decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from gluetune.synthetic.lexicon import ASPECTS, INTENSIFIERS, NAMES, PRAISE, SCORN, VERBS, Name, Verb
from gluetune.synthetic.realization import (
    LexicalChooser,
    Phrase,
    Role,
    Style,
    Tense,
    build_clause,
    join_phrases,
    punctuate,
    sample_style,
)
from gluetune.synthetic.scenes import Scene, SceneSampler, SyntheticRow

_SINGULAR = ("the", "a", "this", "every")
_PLURAL = ("the", "these", "many", "some", "all")
_Violation = Callable[[SceneSampler], str]


def cola_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of CoLA: a sentence, 70% of which are acceptable (Warstadt et al. 2019)."""
    if sampler.rng.random() < 0.7:
        return SyntheticRow((acceptable_sentence(sampler),), "acceptable")
    return SyntheticRow((sampler.rng.choice(_VIOLATIONS)(sampler),), "unacceptable")


def acceptable_sentence(sampler: SceneSampler) -> str:
    """Draw a well-formed sentence."""
    if sampler.rng.random() < 0.15:
        return _reflexive(sampler, matching=True)
    return render_acceptable(sampler.scene(place=0.4, time=0.2), sampler)


def render_acceptable(scene: Scene, sampler: SceneSampler) -> str:
    """Return a well-formed sentence about a scene, in a random tense and with a random determiner that agrees."""
    return join_phrases(_clause(_determined(scene, sampler.rng), sampler))


def _base(sampler: SceneSampler, verb: Verb) -> list[Phrase]:
    return _clause(_determined(sampler.scene(verb, place=0.4, time=0.2), sampler.rng), sampler)


def _clause(scene: Scene, sampler: SceneSampler) -> list[Phrase]:
    style = sample_style(sampler.rng, sampler.rng.choice(tuple(Tense)), passive=0.25, fronted=0.3)
    scene = replace(scene, negated=sampler.rng.random() < 0.2)
    return build_clause(scene, LexicalChooser(sampler.rng), style)


def _determined(scene: Scene, rng: Random) -> Scene:
    agent = replace(scene.agent, determiner=rng.choice(_PLURAL if scene.agent.plural else _SINGULAR))
    return replace(scene, agent=agent)


def _agreement(sampler: SceneSampler) -> str:
    """Return ``*The dogs is sleeping.``: the number of the verb is wrong."""
    scene = _determined(sampler.scene(place=0.4, time=0.2), sampler.rng)
    wrong = replace(scene, agent=replace(scene.agent, plural=not scene.agent.plural))
    style = Style(tense=sampler.rng.choice((Tense.PRESENT, Tense.PROGRESSIVE)), fronted=sampler.rng.random() < 0.3)
    chooser = LexicalChooser(sampler.rng, switch_probability=0.0)
    phrases, others = build_clause(scene, chooser, style), build_clause(wrong, chooser, style)
    return join_phrases(
        other if phrase.role is Role.VERB else phrase for phrase, other in zip(phrases, others, strict=True)
    )


def _determiner(sampler: SceneSampler) -> str:
    """Return ``*These dog sleeps.``: the number of the determiner is wrong."""
    scene = sampler.scene(place=0.4, time=0.2)
    wrong = _SINGULAR[1:] if scene.agent.plural else _PLURAL[1:]
    return join_phrases(
        _clause(replace(scene, agent=replace(scene.agent, determiner=sampler.rng.choice(wrong))), sampler)
    )


def _order_in_phrase(sampler: SceneSampler) -> str:
    """Return ``*The dog old sleeps.``: the words of a noun phrase are in the wrong order."""
    phrases = _base(sampler, sampler.verb())
    place = next(i for i, phrase in enumerate(phrases) if phrase.role is Role.SUBJECT)
    words = phrases[place].words
    first = 0 if len(words) == 2 else sampler.rng.randrange(2)
    shuffled = (*words[:first], words[first + 1], words[first], *words[first + 2 :])
    return join_phrases([*phrases[:place], replace(phrases[place], words=shuffled), *phrases[place + 1 :]])


def _order_of_phrases(sampler: SceneSampler) -> str:
    """Return ``*Helped the dog the chef.``: the verb does not follow its subject."""
    phrases = [phrase for phrase in _base(sampler, sampler.verb(transitive=True)) if phrase.role is not Role.TIME]
    subject, verb, *rest = phrases
    return join_phrases(sampler.rng.choice(([verb, subject, *rest], [subject, *rest, verb])))


def _valency(sampler: SceneSampler) -> str:
    """Return ``*The chef slept the dog.``, ``*The chef helped.``: one object too many or too few."""
    scene = _determined(sampler.scene(sampler.verb(transitive=True), place=0.4, time=0.2), sampler.rng)
    if sampler.rng.random() < 0.5:
        return join_phrases(build_clause(replace(scene, patient=None), LexicalChooser(sampler.rng), Style()))
    intransitive = sampler.rng.choice([verb for verb in VERBS if not verb.transitive])
    return join_phrases(build_clause(replace(scene, verb=intransitive), LexicalChooser(sampler.rng), Style()))


def _auxiliary(sampler: SceneSampler) -> str:
    """Return ``*The dog did not slept.``: the verb form after the auxiliary is wrong."""
    scene = _determined(sampler.scene(place=0.4, time=0.2), sampler.rng)
    tense = sampler.rng.choice((Tense.PAST, Tense.PROGRESSIVE))
    phrases = build_clause(replace(scene, negated=True), LexicalChooser(sampler.rng), Style(tense=tense))
    return join_phrases(_misformed(phrase, scene, tense) if phrase.role is Role.VERB else phrase for phrase in phrases)


def _misformed(phrase: Phrase, scene: Scene, tense: Tense) -> Phrase:
    forms = [scene.verb.forms(word) for word in scene.verb.words]
    wrong = {
        form.base if tense is Tense.PAST else form.progressive: form.past if tense is Tense.PAST else form.base
        for form in forms
    }
    return replace(phrase, words=(*phrase.words[:-1], wrong[phrase.words[-1]]))


def _mismatched_reflexive(sampler: SceneSampler) -> str:
    """``*Mary praised himself.``: the reflexive does not agree."""
    return _reflexive(sampler, matching=False)


def _reflexive(sampler: SceneSampler, matching: bool) -> str:
    name = sampler.rng.choice(NAMES)
    pronoun = name.reflexive if matching else Name(name.word, not name.feminine).reflexive
    phrases = _clause_of_name(name, sampler)
    return join_phrases([*phrases[:2], Phrase(Role.OBJECT, (pronoun,)), *phrases[3:]])


def _clause_of_name(name: Name, sampler: SceneSampler) -> list[Phrase]:
    scene = sampler.scene(sampler.verb(reversible=True), place=0.4, time=0.2)
    scene = replace(scene, agent=replace(scene.agent, plural=False))
    phrases = build_clause(
        scene, LexicalChooser(sampler.rng), Style(tense=sampler.rng.choice((Tense.PAST, Tense.PRESENT)))
    )
    return [Phrase(Role.SUBJECT, (name.word,)), *phrases[1:]]


_VIOLATIONS: tuple[_Violation, ...] = (
    _agreement,
    _agreement,
    _determiner,
    _order_in_phrase,
    _order_of_phrases,
    _valency,
    _auxiliary,
    _mismatched_reflexive,
)

SentenceFrame = Callable[[Random, bool], list[str]]
"""Returns the words of an opinion: positive if the flag is set, else negative."""


def sst2_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of SST-2: an opinion, 55% of which are positive (Socher et al. 2013)."""
    positive = sampler.rng.random() < 0.55
    return SyntheticRow((opinion_sentence(sampler.rng, positive),), "positive" if positive else "negative")


def opinion_sentence(rng: Random, positive: bool) -> str:
    """Draw a sentence with a positive or a negative opinion."""
    return punctuate(rng.choice(_FRAMES)(rng, positive))


def _judgement(rng: Random, positive: bool) -> list[str]:
    """Return words such as ``is very good`` or, with the same sentiment, ``is not bad``."""
    negated = rng.random() < 0.3
    quality = rng.choice(PRAISE if positive is not negated else SCORN)
    strong = [rng.choice(INTENSIFIERS)] if rng.random() < 0.4 else []
    return ["is", *([rng.choice(("not", "never"))] if negated else []), *strong, quality]


def _plain(rng: Random, positive: bool) -> list[str]:
    return ["the", rng.choice(ASPECTS), *_judgement(rng, positive)]


def _contrast(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, not positive), "but", "the", second, *_judgement(rng, positive)]


def _concession(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["although", "the", first, *_judgement(rng, not positive), ",", "the", second, *_judgement(rng, positive)]


def _agreeing_clauses(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, positive), "and", "the", second, *_judgement(rng, positive)]


def _verdict(rng: Random, positive: bool) -> list[str]:
    caller, same = rng.choice((("nobody", False), ("everybody", True)))
    quality = rng.choice(PRAISE if positive is same else SCORN)
    return [caller, "would", "call", "the", rng.choice(ASPECTS), quality]


def _doubt(rng: Random, positive: bool) -> list[str]:
    return ["I", "do", "not", "think", "that", *rng.choice((_plain, _contrast))(rng, not positive)]


def _exception(rng: Random, positive: bool) -> list[str]:
    """Return an opinion in which the first clause decides, because the second one is an exception."""
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, positive), "even", "if", "the", second, *_judgement(rng, not positive)]


_FRAMES: tuple[SentenceFrame, ...] = (
    _plain,
    _plain,
    _plain,
    _agreeing_clauses,
    _agreeing_clauses,
    _contrast,
    _concession,
    _exception,
    _verdict,
    _doubt,
)
