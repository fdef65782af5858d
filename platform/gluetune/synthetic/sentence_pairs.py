"""Rows of GLUE's tasks of two texts and of SNLI: MNLI, SNLI, RTE, AX, QNLI and WNLI; MRPC, QQP and STS-B.

Definite phrases of both sentences refer to the same participant (SNLI's convention, Bowman et al. 2015): ``the tall
chef`` and ``the person`` are one. A hypothesis with less information is therefore entailed, one with more is neutral,
and an opposite or a negation contradicts. In QNLI, sentences that do not answer the question share its words: they lack
the requested part, describe another scene, or swap the roles. In WNLI, the hypothesis replaces a pronoun by one of two
candidates. A paraphrase replaces words by synonyms and changes the order (voice, position of the time). Hard negatives
have the same words with swapped roles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gluetune.synthetic import changes
from gluetune.synthetic.lexicon import ADJECTIVES, NAMES, VERBS, Name
from gluetune.synthetic.realization import (
    LexicalChooser,
    Slot,
    Style,
    Tense,
    punctuate,
    render,
    render_question,
    sample_style,
)
from gluetune.synthetic.scenes import Scene, SceneSampler, SyntheticRow

_LABELS = ("entailment", "neutral", "contradiction")

_WEAKER: list[changes.SceneChange] = [changes.drop_quality, changes.drop_circumstance, changes.hypernym]
_STRONGER: list[changes.SceneChange] = [changes.add_quality, changes.add_circumstance]
_UNRELATED: list[changes.SceneChange] = [
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
"""Determiners of premise and hypothesis by class; everything else is the same in both."""


@dataclass(frozen=True, slots=True)
class Genre:
    """Properties of the sentences of a task.

    Attributes:
        tense: tense of both sentences.
        determiner: article of all participants in the singular.
        quantified: share of pairs that differ in a quantifier.
        negated: share of premises that are negated.
        second_premise: whether the premise contains a second sentence about other participants.
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


def mnli_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of MNLI: premise and hypothesis in three equally frequent classes."""
    return premise_and_hypothesis(sampler, sampler.rng.choice(_LABELS), STORY)


def snli_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of SNLI: premise and hypothesis in the progressive, in three equally frequent classes."""
    return premise_and_hypothesis(sampler, sampler.rng.choice(_LABELS), CAPTION)


def ax_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of AX: mostly quantifiers and negation, in the class balance of the diagnostic set (42/35/23%)."""
    return premise_and_hypothesis(sampler, sampler.rng.choices(_LABELS, (42, 35, 23))[0], DIAGNOSTIC)


def rte_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of RTE: a premise of two sentences and a hypothesis, in two equally frequent classes."""
    entailed = sampler.rng.random() < 0.5
    row = premise_and_hypothesis(sampler, "entailment" if entailed else "neutral", REPORT)
    return replace(row, label="entailment" if entailed else "not_entailment")


def premise_and_hypothesis(sampler: SceneSampler, label: str, genre: Genre) -> SyntheticRow:
    """Draw a premise and a hypothesis.

    Args:
        sampler: draws the scenes.
        label: the class of the pair.
        genre: properties of the sentences.
    """
    if sampler.rng.random() < genre.quantified:
        return quantifier_pair(sampler, label, genre)
    scene = sampler.scene(sampler.verb(transitive=True), adjective=0.7)
    premise = replace(scene, negated=sampler.rng.random() < genre.negated)
    other = None
    if genre.second_premise:
        other = sampler.scene(sampler.verb(transitive=True), place=0.2, time=0.2)
        hypothesis = _mixed(premise, other, sampler) if label != "entailment" else _related(premise, sampler, label)
    else:
        hypothesis = _related(premise, sampler, label)
    return SyntheticRow(_render_pair(premise, other, hypothesis, sampler, genre), label)


def _related(premise: Scene, sampler: SceneSampler, label: str) -> Scene:
    shorter = _maybe(premise, sampler, _WEAKER, 0.6)
    if label == "entailment":
        return shorter
    if label == "contradiction":
        return changes.apply_any(shorter, sampler, [changes.negate, changes.opposite_quality])
    if sampler.rng.random() < 0.25:
        return changes.apply_any(premise, sampler, [*_STRONGER, changes.swap_roles, changes.other_verb])
    unrelated = changes.apply_any(shorter, sampler, _UNRELATED)
    return changes.negate(unrelated, sampler) if sampler.rng.random() < 0.6 else unrelated


def _mixed(premise: Scene, other: Scene, sampler: SceneSampler) -> Scene:
    """Return a hypothesis that uses words of the premises but follows from neither."""
    if premise.verb.patients == other.verb.patients and other.patient is not None and sampler.rng.random() < 0.4:
        return replace(premise, patient=other.patient)
    return _maybe(changes.apply_any(premise, sampler, _UNRELATED), sampler, _WEAKER, 0.4)


def _maybe(scene: Scene, sampler: SceneSampler, options: list[changes.SceneChange], probability: float) -> Scene:
    if sampler.rng.random() >= probability:
        return scene
    applicable = [change for change in options if change(scene, sampler) is not None]
    return changes.apply_any(scene, sampler, applicable) if applicable else scene


def _render_pair(
    premise: Scene, other: Scene | None, hypothesis: Scene, sampler: SceneSampler, genre: Genre
) -> tuple[str, str]:
    chooser = LexicalChooser(sampler.rng)
    stated = [render_in_genre(genre, scene, sampler, chooser) for scene in (premise, other) if scene is not None]
    sampler.rng.shuffle(stated)
    return " ".join(stated), render_in_genre(genre, hypothesis, sampler, chooser)


def render_in_genre(genre: Genre, scene: Scene, sampler: SceneSampler, chooser: LexicalChooser) -> str:
    """Return a sentence about a scene in the tense and with the determiners of a genre."""
    agent = replace(scene.agent, determiner="the" if scene.agent.plural else genre.determiner)
    patient = scene.patient
    if patient is not None:
        patient = replace(patient, determiner="the" if patient.plural else genre.determiner)
    return render(replace(scene, agent=agent, patient=patient), chooser, sample_style(sampler.rng, genre.tense))


def quantifier_pair(sampler: SceneSampler, label: str, genre: Genre) -> SyntheticRow:
    """Draw a premise and a hypothesis that differ only in the quantifier.

    Args:
        sampler: draws the scenes.
        label: the class of the pair.
        genre: determines the tense.
    """
    scene = sampler.scene(sampler.verb(transitive=True), adjective=0.0)
    determiners = sampler.rng.choice(_QUANTIFIED[label])
    chooser = LexicalChooser(sampler.rng)
    texts = []
    for determiner in determiners:
        agent = replace(scene.agent, plural=True, determiner=determiner)
        style = Style(sampler.rng.random() < 0.3, sampler.rng.random() < 0.4, genre.tense)
        texts.append(render(replace(scene, agent=agent), chooser, style))
    return SyntheticRow((texts[0], texts[1]), label)


def qnli_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of QNLI: a question and a sentence, half of which answer it (Wang et al. 2019)."""
    scene = sampler.scene(sampler.verb(reversible=True), place=0.6, time=0.6)
    slot = sampler.rng.choice([slot for slot in Slot if slot.answered_by(scene)])
    answered = sampler.rng.random() < 0.5
    stated = scene if answered else _unanswering(scene, slot, sampler)
    chooser = LexicalChooser(sampler.rng)
    return SyntheticRow(
        (render_question(scene, slot, sampler.rng, chooser), render(stated, chooser, sample_style(sampler.rng))),
        "entailment" if answered else "not_entailment",
    )


def _unanswering(scene: Scene, slot: Slot, sampler: SceneSampler) -> Scene:
    if slot is not Slot.AGENT and sampler.rng.random() < 0.4:
        return _without(scene, slot, sampler)
    if sampler.rng.random() < 0.4:
        return scene.with_swapped_roles()
    return changes.apply_any(scene, sampler, [changes.other_patient, changes.other_verb])


def _without(scene: Scene, slot: Slot, sampler: SceneSampler) -> Scene:
    """Return the scene without the requested place or time, but with the other one, so that its presence is no clue."""
    removed = slot.removed_from(scene)
    if slot is Slot.PLACE:
        return removed if removed.time else replace(removed, time=sampler.scene(time=1.0).time)
    return removed if removed.place else replace(removed, place=sampler.rng.choice(sampler.places()))


PronounSchema = Callable[[SceneSampler], tuple[str, str, str]]
"""Returns a sentence, a hypothesis with the right candidate, and one with the wrong candidate."""


def wnli_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of WNLI: a sentence with a pronoun, and a resolution that is right in half of the rows."""
    text, right, wrong = sampler.rng.choice(_SCHEMAS)(sampler)
    entailed = sampler.rng.random() < 0.5
    return SyntheticRow((text, right if entailed else wrong), "entailment" if entailed else "not_entailment")


def pronoun_sentence_and_resolution(sampler: SceneSampler) -> list[str]:
    """Draw a sentence with a pronoun, and the sentence that resolves the pronoun rightly."""
    text, right, _ = sampler.rng.choice(_SCHEMAS)(sampler)
    return [text, right]


def _gender_schema(sampler: SceneSampler) -> tuple[str, str, str]:
    """``Mary helped John because he was weak.``: only one candidate has the pronoun's gender."""
    one, other = _couple(sampler)
    referent, rival = sampler.rng.sample((one, other), 2)
    quality = sampler.rng.choice(sampler.rng.choice(ADJECTIVES).words)
    text = ["because", referent.subject_pronoun, "was", quality]
    return (
        punctuate((one.word, _deed(sampler), other.word, *text)),
        punctuate((referent.word, "was", quality)),
        punctuate((rival.word, "was", quality)),
    )


def _size_schema(sampler: SceneSampler) -> tuple[str, str, str]:
    """Return ``The lamp does not fit into the bag because it is too big.``: thing too big or container too small."""
    thing, container = (
        sampler.rng.choice(noun.words)
        for noun in sampler.rng.sample(sampler.nouns(frozenset({"object", "vehicle"})), 2)
    )
    big, small = next((quality.words, quality.antonyms) for quality in ADJECTIVES if "big" in quality.words)
    goes_in = sampler.rng.random() < 0.5
    quality = sampler.rng.choice(big if goes_in else small)
    referent, rival = (thing, container) if goes_in else (container, thing)
    text = ("the", thing, "does", "not", "fit", "into", "the", container, "because", "it", "is", "too", quality)
    right, wrong = (punctuate(("the", candidate, "is", "too", quality)) for candidate in (referent, rival))
    return punctuate(text), right, wrong


def _couple(sampler: SceneSampler) -> tuple[Name, Name]:
    one = sampler.rng.choice(NAMES)
    return one, sampler.rng.choice([name for name in NAMES if name.feminine is not one.feminine])


def _deed(sampler: SceneSampler) -> str:
    verb = sampler.rng.choice([verb for verb in VERBS if verb.reversible or verb.patients == frozenset({"person"})])
    return verb.forms(sampler.rng.choice(verb.words)).past


_SCHEMAS: tuple[PronounSchema, ...] = (_gender_schema, _gender_schema, _size_schema)


_OTHER_SLOT: list[changes.SceneChange] = [
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.opposite_quality,
]


def mrpc_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of MRPC: two statements, two thirds of which are equivalent (Dolan and Brockett 2005)."""
    scene = sampler.scene(sampler.verb(reversible=True))
    equivalent = sampler.rng.random() < 0.67
    second = scene if equivalent else _changed(scene, sampler)
    return SyntheticRow(
        _pair(scene, second, sampler, switch_probability=0.35), "equivalent" if equivalent else "not_equivalent"
    )


def qqp_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of QQP: two questions, 37% of which are duplicates."""
    scene = sampler.scene(sampler.verb(reversible=True), place=0.5, time=0.5)
    slots = [slot for slot in Slot if slot.answered_by(scene)]
    slot = sampler.rng.choice(slots)
    duplicate = sampler.rng.random() < 0.37
    chooser = LexicalChooser(sampler.rng, switch_probability=0.5)
    if duplicate:
        second = (scene, slot)
    elif len(slots) > 1 and sampler.rng.random() < 0.3:
        second = (scene, sampler.rng.choice([other for other in slots if other is not slot]))
    else:
        second = (_otherwise(scene, slot, sampler), slot)
    return SyntheticRow(
        (render_question(scene, slot, sampler.rng, chooser), render_question(*second, sampler.rng, chooser)),
        "duplicate" if duplicate else "not_duplicate",
    )


_SLOTS: tuple[changes.SceneChange, ...] = (
    changes.other_agent,
    changes.other_patient,
    changes.other_verb,
    changes.other_place,
    changes.other_time,
)


def stsb_row(sampler: SceneSampler) -> SyntheticRow:
    """Draw a row of STS-B: two statements, scored from 5 (same meaning) to 0 by how many parts of the scene differ."""
    scene = sampler.scene(sampler.verb(transitive=True), place=1.0, time=1.0, adjective=0.15)
    differing = sampler.rng.randint(0, len(_SLOTS))
    second = scene
    for change in sampler.rng.sample(_SLOTS, differing):
        second = change(second, sampler) or second
    score = 5.0 - differing
    if differing <= 2 and second.verb.reversible and sampler.rng.random() < 0.3:
        second, score = second.with_swapped_roles(), score - 2.0
    score = min(5.0, max(0.0, score + sampler.rng.gauss(0.0, 0.3)))
    return SyntheticRow(_pair(scene, second, sampler, switch_probability=0.95), round(score * 5) / 5)


def _otherwise(scene: Scene, slot: Slot, sampler: SceneSampler) -> Scene:
    """Return a scene that leads to another question; the part that is asked for is not visible in the question."""
    if slot is Slot.AGENT:
        return changes.apply_any(scene, sampler, [changes.other_patient, changes.other_verb])
    return _changed(scene, sampler)


def _changed(scene: Scene, sampler: SceneSampler) -> Scene:
    """Return the scene with swapped roles, or with one to three changes."""
    if sampler.rng.random() < 0.3:
        return scene.with_swapped_roles()
    for _ in range(sampler.rng.choice((1, 2, 2, 3))):
        scene = changes.apply_any(scene, sampler, _OTHER_SLOT)
    return scene


def _pair(first: Scene, second: Scene, sampler: SceneSampler, switch_probability: float) -> tuple[str, str]:
    chooser = LexicalChooser(sampler.rng, switch_probability)
    return render(first, chooser, sample_style(sampler.rng)), render(second, chooser, sample_style(sampler.rng))
