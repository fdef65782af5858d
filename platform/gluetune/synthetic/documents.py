"""Generated documents for pre-training; consecutive sentences of a document are about the same topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from gluetune.synthetic import changes
from gluetune.synthetic.lexicon import Domain
from gluetune.synthetic.realization import LexicalChooser, Slot, Tense, render_question
from gluetune.synthetic.scenes import Scene, SceneSampler
from gluetune.synthetic.sentence_pairs import (
    CAPTION,
    STORY,
    Genre,
    pronoun_sentence_and_resolution,
    quantifier_pair,
    render_in_genre,
)
from gluetune.synthetic.single_sentence import acceptable_sentence, opinion_sentence, render_acceptable

DocumentSeries = Callable[[SceneSampler], list[list[str]]]
"""Draws documents that follow each other in the corpus."""


def generate_corpus(seed: int = 0, documents: int = 16000) -> Iterator[list[str]]:
    """Generate a corpus.

    Neighbouring documents often describe scenes that differ in one part, as reports of similar events do.

    Args:
        seed: seed of the random numbers; the same seed gives the same documents.
        documents: number of documents.

    Yields:
        Documents, each a list of consecutive sentences about one topic.
    """
    rng = Random(f"corpus/{seed}")
    yield from islice(_all_series(rng), documents)


def _all_series(rng: Random) -> Iterator[list[str]]:
    while True:
        sampler = SceneSampler(rng, rng.choices(tuple(Domain), (2, 1))[0])
        yield from rng.choices(_SERIES, _WEIGHTS)[0](sampler)


def _narratives(sampler: SceneSampler) -> list[list[str]]:
    """Draw four documents about successive scenes; each describes its scene repeatedly, in whole or in part."""
    genre = sampler.rng.choice((STORY, STORY, CAPTION))
    scene = sampler.scene(sampler.verb(transitive=True), adjective=0.4)
    documents = [_document(scene, sampler, genre)]
    for _ in range(3):
        scene = _next_scene(scene, sampler)
        documents.append(_document(scene, sampler, genre))
    return documents


def _next_scene(scene: Scene, sampler: SceneSampler) -> Scene:
    """Draw a new scene, or change the scene up to four times."""
    if sampler.rng.random() < 0.4:
        return sampler.scene(scene.verb if sampler.rng.random() < 0.3 else sampler.verb(transitive=True), adjective=0.4)
    for _ in range(sampler.rng.choice((1, 2, 3, 4))):
        scene = changes.apply_any(scene, sampler, _CHANGES)
    return scene


def _document(scene: Scene, sampler: SceneSampler, genre: Genre) -> list[str]:
    chooser = LexicalChooser(sampler.rng, switch_probability=sampler.rng.choice((0.0, 0.25, 0.5)))
    lines = [render_in_genre(genre, scene, sampler, chooser)]
    for _ in range(sampler.rng.randint(3, 5)):
        asking = genre.tense is Tense.PAST and not scene.negated and sampler.rng.random() < 0.2
        lines.append(
            _question(scene, sampler, chooser)
            if asking
            else render_in_genre(genre, _shortened(scene, sampler), sampler, chooser)
        )
    return lines


_CHANGES: list[changes.SceneChange] = [
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


def _question(scene: Scene, sampler: SceneSampler, chooser: LexicalChooser) -> str:
    slot = sampler.rng.choice([slot for slot in Slot if slot.answered_by(scene)])
    return render_question(scene, slot, sampler.rng, chooser)


def _shortened(scene: Scene, sampler: SceneSampler) -> Scene:
    if sampler.rng.random() < 0.65:
        return scene
    shorten = sampler.rng.choice((changes.drop_circumstance, changes.drop_quality, changes.hypernym))
    return shorten(scene, sampler) or scene


def _inferences(sampler: SceneSampler) -> list[list[str]]:
    """Draw a document of a statement about all, many, some or none, and a sentence that follows from it."""
    return [list(quantifier_pair(sampler, "entailment", STORY).texts)]


def _reviews(sampler: SceneSampler) -> list[list[str]]:
    """Draw two documents: opinions of one sentiment, then opinions of the opposite sentiment."""
    positive = sampler.rng.random() < 0.5
    return [
        [opinion_sentence(sampler.rng, praised) for _ in range(sampler.rng.randint(3, 5))]
        for praised in (positive, not positive)
    ]


def _descriptions(sampler: SceneSampler) -> list[list[str]]:
    """Draw a document that describes one scene in several tenses and with several determiners."""
    scene = sampler.scene(place=0.4, time=0.2)
    return [[render_acceptable(scene, sampler) for _ in range(sampler.rng.randint(3, 5))]]


def _single_sentences(sampler: SceneSampler) -> list[list[str]]:
    """Draw a document of single sentences with names and pronouns."""
    return [[*pronoun_sentence_and_resolution(sampler), acceptable_sentence(sampler)]]


_SERIES: tuple[DocumentSeries, ...] = (_narratives, _inferences, _reviews, _descriptions, _single_sentences)
_WEIGHTS = (8, 2, 1, 8, 4)
