"""Rows of GLUE's similarity and paraphrase tasks: MRPC, QQP and STS-B.

A paraphrase replaces words by synonyms and changes the order (voice, position of the time). Hard negatives have the
same words with swapped roles.
"""

from __future__ import annotations

from gluetune.synthetic import changes
from gluetune.synthetic.realization import LexicalChooser, Slot, render, render_question, sample_style
from gluetune.synthetic.scenes import Scene, SceneSampler, SyntheticRow

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
