"""Changes of meaning that keep a sentence plausible. Each changes one part of a scene, or returns ``None``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gluetune.synthetic.lexicon import TIMES, Noun
from gluetune.synthetic.scenes import Participant, Scene, SceneSampler

SceneChange = Callable[[Scene, SceneSampler], Scene | None]
"""Returns the changed scene, or ``None`` if the change does not apply to the scene."""


def other_agent(scene: Scene, sampler: SceneSampler) -> Scene:
    """Replace the noun of the agent by another one of its kind."""
    noun = sampler.other_noun(scene.agent.noun, *_nouns(scene))
    return replace(scene, agent=replace(scene.agent, noun=noun))


def other_patient(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Replace the noun of the patient by another one of its kind; ``None`` without a patient."""
    if scene.patient is None:
        return None
    noun = sampler.other_noun(scene.patient.noun, *_nouns(scene))
    return replace(scene, patient=replace(scene.patient, noun=noun))


def other_verb(scene: Scene, sampler: SceneSampler) -> Scene:
    """Replace the verb by another one that takes the same kinds of objects."""
    return replace(scene, verb=sampler.other_verb(scene.verb))


def other_place(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Replace the place; ``None`` if the scene has none."""
    if scene.place is None:
        return None
    return replace(scene, place=sampler.rng.choice([place for place in sampler.places() if place != scene.place]))


def other_time(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Replace the time; ``None`` if the scene has none."""
    if scene.time is None:
        return None
    return replace(scene, time=sampler.rng.choice([time for time in TIMES if time != scene.time]))


def swap_roles(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Swap agent and patient; ``None`` if the verb is not reversible."""
    return scene.with_swapped_roles() if scene.patient is not None and scene.verb.reversible else None


def opposite_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Give one participant the opposite quality; ``None`` if no participant has a quality."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None if participant.adjective is None else replace(participant, adjective=participant.adjective.opposite())
        ),
    )


def add_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Give one participant a quality; ``None`` if all have one."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None
            if participant.adjective is not None
            else replace(participant, adjective=sampler.adjective(participant.noun))
        ),
    )


def drop_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Remove the quality of one participant; ``None`` if no participant has one."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: None if participant.adjective is None else replace(participant, adjective=None),
    )


def hypernym(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Replace the noun of one participant by its hypernym; ``None`` if all nouns are hypernyms."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None
            if participant.noun == participant.noun.hypernym()
            else replace(participant, noun=participant.noun.hypernym())
        ),
    )


def negate(scene: Scene, sampler: SceneSampler) -> Scene:
    """Negate the scene, or remove its negation."""
    return replace(scene, negated=not scene.negated)


def drop_circumstance(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Remove place or time; ``None`` if the scene has neither."""
    present = [name for name in ("place", "time") if getattr(scene, name) is not None]
    if not present:
        return None
    return replace(scene, time=None) if sampler.rng.choice(present) == "time" else replace(scene, place=None)


def add_circumstance(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Add a place or a time; ``None`` if the scene has both."""
    absent = [name for name in ("place", "time") if getattr(scene, name) is None]
    if not absent:
        return None
    if sampler.rng.choice(absent) == "time":
        return replace(scene, time=sampler.rng.choice(TIMES))
    return replace(scene, place=sampler.rng.choice(sampler.places()))


def apply_any(scene: Scene, sampler: SceneSampler, changes: list[SceneChange]) -> Scene:
    """Apply one of several changes: the first, in random order, that applies to the scene.

    Args:
        scene: the scene to change.
        sampler: source of random numbers and of new nouns, verbs, places and times.
        changes: the changes to choose from.

    Raises:
        ValueError: none of the changes applies.
    """
    for change in sampler.rng.sample(changes, len(changes)):
        changed = change(scene, sampler)
        if changed is not None:
            return changed
    raise ValueError(f"one of the changes must apply to {scene}, but none of {len(changes)} does")


def _nouns(scene: Scene) -> tuple[Noun, ...]:
    return tuple(participant.noun for participant in (scene.agent, scene.patient) if participant is not None)


def _on_participant(
    scene: Scene, sampler: SceneSampler, alter: Callable[[Participant], Participant | None]
) -> Scene | None:
    agent = alter(scene.agent)
    patient = None if scene.patient is None else alter(scene.patient)
    options = [replace(scene, agent=agent)] if agent is not None else []
    options += [replace(scene, patient=patient)] if patient is not None else []
    return sampler.rng.choice(options) if options else None
