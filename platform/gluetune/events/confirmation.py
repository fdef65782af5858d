"""The confirmation of a search: which configurations are trained again, and the files that their trials leave.

Confirmation trials have a journal of their own, in the sub-folder ``confirmation`` of the search's folder, so that they
change nothing in the search: neither what it chooses next nor which trial wins.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from gluetune.config import MODEL_FIELD, SearchSpace, TrainingConfig, Value
from gluetune.errors import StorageError
from gluetune.events.run_folder import trial_folder
from gluetune.events.trials import TrialRecord, TrialStatus, ranking

if TYPE_CHECKING:
    import numpy as np

    from gluetune.storage import Storage

CONFIRMATION_FOLDER = "confirmation"
SEED_CHECKPOINTS = f"{CONFIRMATION_FOLDER}/trials"  # the folder that has each `seed_folder`
SELECTION = "selection"  # the split whose rows choose the winner
_SEED = "seed"  # the training field that fresh seeds replace
_LOGITS, _LABELS, _THRESHOLDS = ".logits", ".labels", "thresholds"  # names of arrays in a file of outputs


@dataclass(frozen=True, slots=True)
class ConfirmedConfiguration:
    """A configuration of one task that is trained again with fresh seeds.

    Attributes:
        task: name of the task.
        params: values of the searched fields, without a searched ``seed``.
        training: the whole training configuration by field, without a seed.
        trial: number of the search's trial with this configuration; ``None`` where the search has not tried it.
        rank: its position among the task's configurations by their selection scores, from 1; ``None`` where the search
            has no score of it.
        is_default: whether it is the default of the search space.
    """

    task: str
    params: dict[str, Value] = field(hash=False)
    training: dict[str, Value | None] = field(hash=False)
    trial: int | None
    rank: int | None
    is_default: bool = False

    @property
    def key(self) -> str:
        """What it trains: equal for trials with this configuration, whatever their seeds."""
        return configuration_key(self.training, str(self.params.get(MODEL_FIELD, "")))


def configuration_key(training: Mapping[str, Value | None], model: str) -> str:
    """Return text that is equal for equal configurations, whatever their seeds.

    Args:
        training: the whole training configuration, by field; fields that an older version did not have count as their
            defaults.
        model: the encoder; empty where the search does not choose among encoders.
    """
    whole = _defaults() | dict(training)
    return json.dumps([model, {name: value for name, value in whole.items() if name != _SEED}], sort_keys=True)


@cache
def _defaults() -> dict[str, Value | None]:
    return TrainingConfig().model_dump()


def confirmed_configurations(
    trials: Iterable[TrialRecord], task: str, space: SearchSpace, training: TrainingConfig, top: int
) -> list[ConfirmedConfiguration]:
    """Choose what is trained again: a task's best configurations, and the default of the search space.

    The default is the first point of the search space of the best configuration's encoder, or the configuration of the
    task's first trial where the space has no points. It comes last unless it is among the best. A space that varies
    nothing has none.

    Args:
        trials: the trials of the search.
        task: name of the task.
        space: the search space.
        training: the job's training settings.
        top: number of configurations.

    Returns:
        The configurations, the best first; none where the task has no evaluated trial that has ended.
    """
    ended = [trial for trial in trials if trial.task == task and trial.status is not TrialStatus.RUNNING]
    best: dict[str, TrialRecord] = {}
    for trial in ranking(ended, task):
        best.setdefault(configuration_key(trial.training, trial.model), trial)
    if not best:
        return []
    ranks = {key: rank for rank, key in enumerate(best, 1)}
    default = _default(space, training, next(iter(best.values())), ended) if space.fields else None
    default_key = None if default is None else _key(default)
    chosen = [
        ConfirmedConfiguration(
            task, *_without_seed(trial.params, trial.training), trial.number, ranks[key], key == default_key
        )
        for key, trial in list(best.items())[:top]
    ]
    if default is not None and not any(each.is_default for each in chosen):
        key = _key(default)
        tried = [trial for trial in ended if configuration_key(trial.training, trial.model) == key]
        number = best[key].number if key in best else min((trial.number for trial in tried), default=None)
        chosen.append(ConfirmedConfiguration(task, *default, number, ranks.get(key), is_default=True))
    return chosen


_Settings = tuple[dict[str, Value], dict[str, Value | None]]  # searched fields, and the whole training configuration


def _key(settings: _Settings) -> str:
    return configuration_key(settings[1], str(settings[0].get(MODEL_FIELD, "")))


def _default(space: SearchSpace, training: TrainingConfig, best: TrialRecord, ended: list[TrialRecord]) -> _Settings:
    points = space.part(best.params).points
    if points:
        params: dict[str, Value] = {MODEL_FIELD: best.model, **points[0]} if space.encoders else dict(points[0])
        return _without_seed(params, space.resolve(training, params).model_dump())
    first = min((trial for trial in ended if trial.model == best.model), key=lambda trial: trial.number)
    return _without_seed(first.params, first.training)


def _without_seed(params: Mapping[str, Value], training: Mapping[str, Value | None]) -> _Settings:
    return {name: value for name, value in params.items() if name != _SEED}, {**training, _SEED: None}


def seed_name(trial: TrialRecord) -> str:
    """Return the name of a confirmation's trial in tables and in MLflow, such as ``cola-seed-0007``."""
    return f"{trial.task}-seed-{trial.number:04d}"


def seed_folder(trial: TrialRecord) -> str:
    """Return the folder of the checkpoints of a confirmation's trial, relative to the search's folder."""
    return f"{CONFIRMATION_FOLDER}/{trial_folder(trial)}"


def outputs_file(task: str, number: int) -> str:
    """Return the file of the outputs of a confirmation's trial, relative to the confirmation's folder.

    Args:
        task: the trial's task.
        number: its number.
    """
    return f"outputs/{task}-{number:04d}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class RowOutputs:
    """What one model says of labelled rows.

    Attributes:
        logits: [rows, num_labels] float32.
        labels: [rows] class ids, or numbers of a regression; [rows, num_labels] 0 and 1 of a multi-label task.
        thresholds: [num_labels] probabilities above which a class is predicted; ``None`` for 0.5.
    """

    logits: np.ndarray
    labels: np.ndarray
    thresholds: np.ndarray | None = None


def save_outputs(folder: Storage, file: str, outputs: Mapping[str, RowOutputs]) -> None:
    """Write the outputs of one model for several splits to a NumPy file (``.npz``).

    Args:
        folder: the confirmation's folder.
        file: the file's path in it.
        outputs: by split.

    Raises:
        StorageError: the file cannot be written.
    """
    import numpy as np

    arrays: dict[str, np.ndarray] = {}
    for split, rows in outputs.items():
        arrays |= {f"{split}{_LOGITS}": rows.logits, f"{split}{_LABELS}": np.asarray(rows.labels)}
        if rows.thresholds is not None:
            arrays[_THRESHOLDS] = rows.thresholds
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes the names for those of its flags
    folder.write(file, buffer.getbuffer())


def load_outputs(folder: Storage, file: str) -> dict[str, RowOutputs]:
    """Read the outputs of one model, by split.

    Args:
        folder: the confirmation's folder.
        file: the file's path in it.

    Raises:
        StorageError: the file is missing or damaged.
    """
    import numpy as np

    data = folder.read(file)
    try:
        with np.load(io.BytesIO(data or b""), allow_pickle=False) as found:
            arrays = dict(found)
        splits = [name.removesuffix(_LOGITS) for name in arrays if name.endswith(_LOGITS)]
        thresholds = arrays.get(_THRESHOLDS)
        return {
            name: RowOutputs(arrays[name + _LOGITS], arrays[name + _LABELS], None if name == SELECTION else thresholds)
            for name in splits
        }
    except (ValueError, OSError, KeyError, EOFError) as error:
        what = "is missing" if data is None else f"is damaged ({len(data)} bytes)"
        raise StorageError(
            f"{folder.uri(file)} must hold the outputs of a confirmation's trial, but {what}; delete the folder "
            f"{folder.uri()} to confirm anew"
        ) from error
