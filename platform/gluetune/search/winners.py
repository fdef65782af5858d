"""The winners of a search: each is saved for ``from_pretrained``, loaded again, and scored once on official rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ray
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows, EncodedTask
from gluetune.errors import ClusterError, StorageError
from gluetune.events import TrialRecord, WinnerEvaluated, trial_folder, winner_folder
from gluetune.inference import Predictions, Scores, TextSettings, score_predictions
from gluetune.lanes import LaneSpec, root_cause
from gluetune.models import load_trained, move_to_device, save_pretrained
from gluetune.search.ray_tasks import cancel_on_error
from gluetune.tasks import TASKS, Task, get_task
from gluetune.training import Checkpoints, DistributedContext, predict_logits
from gluetune.workloads.fine_tuning import FineTuning

LOCAL_SCORING_MAX_ROWS = 20_000  # official rows; with more, new processes pay off

_Outcomes = Iterator[tuple[TrialRecord, WinnerEvaluated | Exception]]


def score_winners(
    spec: LaneSpec, workload: FineTuning, tokenizer: Any, text: TextSettings, trials: Iterable[TrialRecord]
) -> Iterator[WinnerEvaluated]:
    """Save and score winners, and yield their events as they come.

    A few rows on a single CPU node are scored in this process, everything else in parallel Ray tasks.

    Args:
        spec: the resources of a worker, which each winner gets, and the search's folder.
        workload: the encoder and the rows.
        tokenizer: saved with each model.
        text: how texts become tokens, saved with each model.
        trials: the winners.

    Raises:
        ClusterError: some winners could not be scored; raised after the events of all others.
    """
    trials = list(trials)
    rows = sum(len(split) for trial in trials for split in ray.get(workload.data[trial.task]).dev.values())
    score = score_locally if rows <= LOCAL_SCORING_MAX_ROWS and is_single_cpu_node(spec) else score_remotely
    failed = []
    for trial, outcome in score(spec, workload, tokenizer, text, trials):
        if isinstance(outcome, WinnerEvaluated):
            yield outcome
        else:
            failed.append(f"the winner {trial.name} could not be scored: {root_cause(outcome)}")
    if failed:
        raise ClusterError("\n".join(failed))


def is_single_cpu_node(spec: LaneSpec) -> bool:
    """Return whether the cluster is this process's node alone, without GPUs and with the cores that a worker needs.

    This process has then imported everything that a new one would have to import.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) != 1 or nodes[0]["NodeID"] != ray.get_runtime_context().get_node_id():
        return False
    return not nodes[0]["Resources"].get("GPU") and nodes[0]["Resources"].get("CPU", 0) >= spec.cpus


def score_locally(
    spec: LaneSpec, workload: FineTuning, tokenizer: Any, text: TextSettings, trials: list[TrialRecord]
) -> _Outcomes:
    """Save and score winners one after another in this process; yield each trial with its event or its error."""
    for trial in trials:
        try:
            yield trial, _save_and_score(spec, workload, tokenizer, text, trial)
        except Exception as error:  # reported like the error of a Ray task
            yield trial, error


def score_remotely(
    spec: LaneSpec, workload: FineTuning, tokenizer: Any, text: TextSettings, trials: list[TrialRecord]
) -> _Outcomes:
    """Save and score winners in parallel Ray tasks; yield each trial with its event or its error, as they end."""
    shared = ray.put(tokenizer)
    run = ray.remote(num_cpus=spec.cpus, num_gpus=spec.gpus, max_retries=2)(_save_and_score)
    pending = {run.remote(spec, workload, shared, text, trial): trial for trial in trials}
    with cancel_on_error(pending):
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            trial = pending.pop(done)
            try:
                yield trial, ray.get(done)
            except ray.exceptions.RayError as error:
                yield trial, error


def _save_and_score(
    spec: LaneSpec, workload: FineTuning, tokenizer: Any, text: TextSettings, trial: TrialRecord
) -> WinnerEvaluated:
    import torch

    torch.set_num_threads(max(1, int(spec.cpus)))
    task, training = get_task(trial.task), TrainingConfig(**trial.training)  # type: ignore[arg-type]
    encoder, data = ray.get([workload.encoder, workload.data[trial.task]])
    weights = Checkpoints(spec.storage, trial_folder(trial)).load_best()
    if weights is None:
        raise StorageError(f"the checkpoint of winner {trial.name} is gone from {spec.storage.uri()}")
    folder = winner_folder(trial.task)
    with tempfile.TemporaryDirectory() as local:
        save_pretrained(encoder, task, weights, tokenizer, local, training)
        text.model_copy(update={"task": task.name}).write(Path(local))
        model, _ = load_trained(local)  # scores the saved model, not the one in memory
        spec.storage.upload(local, folder)
    distributed = DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")
    move_to_device(model, distributed.device)
    scores, selection = score_saved(model, task, data, training, trial, distributed)
    return WinnerEvaluated(
        time=time.time(),
        number=trial.number,
        task=trial.task,
        folder=spec.storage.uri(folder),
        scores={split: found.metrics for split, found in scores.items()},
        rows={split: found.rows for split, found in scores.items()},
        batch_scores={split: list(found.batches) for split, found in scores.items() if task.correlation},
        selection_scores=selection.metrics if selection else {},
        selection_loss=selection.loss if selection else None,
    )


def score_saved(
    model: PreTrainedModel,
    task: Task,
    data: EncodedTask,
    training: TrainingConfig,
    trial: TrialRecord,
    distributed: DistributedContext,
) -> tuple[dict[str, Scores], Scores | None]:
    """Score a saved model in fp32, the precision in which it is used.

    Args:
        model: the model, on ``distributed.device``.
        task: its task.
        data: the rows of the task.
        training: sets the batch size.
        trial: the trial whose best weights these are.
        distributed: the device.

    Returns:
        The scores on the development rows, by split; and those on the selection rows where the trial's evaluations
        were computed in another precision, so that both can be compared, else ``None``.
    """

    def score(on: Task, rows: EncodedRows) -> Scores:
        return _score_rows(on, model, rows, training.eval_batch_size, distributed)

    scores = {split: score(TASKS.get(split, task), rows) for split, rows in data.dev.items()}
    other_precision = trial.best is None or trial.best.precision != "fp32"
    return scores, score(task, data.selection) if other_precision else None


def _score_rows(task: Task, model: Any, rows: EncodedRows, batch_size: int, distributed: DistributedContext) -> Scores:
    assert rows.labels is not None  # winners are scored only on splits with labels
    return score_predictions(
        Predictions(task, predict_logits(model, rows, batch_size, distributed)), rows.labels, batch_size
    )
