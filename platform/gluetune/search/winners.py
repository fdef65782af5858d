"""The winners: each saved as a ``from_pretrained`` folder, loaded again, and scored once on official rows."""

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
from gluetune.models import load_trained, save_pretrained
from gluetune.search.remote import cancelled_at_the_end
from gluetune.tasks import TASKS, Task, get_task
from gluetune.training import Checkpoints, DistributedContext, predict
from gluetune.workloads.fine_tuning import FineTuning

FEW_ROWS = 20_000  # official ones; more are worth processes of their own


def score_winners(
    spec: LaneSpec, work: FineTuning, tokenizer: Any, text: TextSettings, trials: Iterable[TrialRecord]
) -> Iterator[WinnerEvaluated]:
    """Saves and scores winners, each with one lane worker's resources, and yields them as they come.

    On a cluster that is worth it they are scored side by side, else in this process.

    Raises:
        ClusterError: after all others have been yielded: some could not be scored.
    """
    trials = list(trials)
    rows = sum(len(split) for trial in trials for split in ray.get(work.data[trial.task]).dev.values())
    scored = _scored_here if rows <= FEW_ROWS and _alone(spec) else _scored_there
    failed = []
    for trial, outcome in scored(spec, work, tokenizer, text, trials):
        if isinstance(outcome, WinnerEvaluated):
            yield outcome
        else:
            failed.append(f"the winner {trial.name} could not be scored: {root_cause(outcome)}")
    if failed:
        raise ClusterError("\n".join(failed))


_Outcomes = Iterator[tuple[TrialRecord, WinnerEvaluated | Exception]]


def _alone(spec: LaneSpec) -> bool:
    """Whether this process is on the only node, which has no GPU: it has imported what a new one would have to."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) != 1 or nodes[0]["NodeID"] != ray.get_runtime_context().get_node_id():
        return False
    return not nodes[0]["Resources"].get("GPU") and nodes[0]["Resources"].get("CPU", 0) >= spec.cpus


def _scored_here(
    spec: LaneSpec, work: FineTuning, tokenizer: Any, text: TextSettings, trials: list[TrialRecord]
) -> _Outcomes:
    for trial in trials:
        try:
            yield trial, _score(spec, work, tokenizer, text, trial)
        except Exception as error:  # as one that Ray would bring back
            yield trial, error


def _scored_there(
    spec: LaneSpec, work: FineTuning, tokenizer: Any, text: TextSettings, trials: list[TrialRecord]
) -> _Outcomes:
    shared = ray.put(tokenizer)
    run = ray.remote(num_cpus=spec.cpus, num_gpus=spec.gpus, max_retries=2)(_score)
    pending = {run.remote(spec, work, shared, text, trial): trial for trial in trials}
    with cancelled_at_the_end(pending):
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            trial = pending.pop(done)
            try:
                yield trial, ray.get(done)
            except ray.exceptions.RayError as error:
                yield trial, error


def _score(spec: LaneSpec, work: FineTuning, tokenizer: Any, text: TextSettings, trial: TrialRecord) -> WinnerEvaluated:
    import torch

    torch.set_num_threads(max(1, int(spec.cpus)))
    task, training = get_task(trial.task), TrainingConfig(**trial.training)  # type: ignore[arg-type]
    encoder, data = ray.get([work.encoder, work.data[trial.task]])
    weights = Checkpoints(spec.storage, trial_folder(trial)).load_best()
    if weights is None:
        raise StorageError(f"the checkpoint of winner {trial.name} is gone from {spec.storage.uri()}")
    folder = winner_folder(trial.task)
    with tempfile.TemporaryDirectory() as local:
        save_pretrained(encoder, task, weights, tokenizer, local, training)
        text.write(Path(local))
        model, _ = load_trained(local)  # what is scored is what is saved
        spec.storage.upload(local, folder)
    distributed = DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")
    model.to(distributed.device)  # type: ignore[arg-type]  # transformers' decorator hides what `to` takes
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
    """Scores a saved model in fp32, the precision in which it is used.

    Args:
        model: on ``distributed.device``.
        task: what it answers.
        data: its rows.
        training: gives the batch size.
        trial: whose best weights they are.
        distributed: the device.

    Returns:
        The scores on the development rows by split; and those on the selection rows, which are scored again where the
        trial's evaluations were computed in another precision, so that both can be compared; else ``None``.
    """

    def scored(of: Task, rows: EncodedRows) -> Scores:
        return _scores(of, model, rows, training.eval_batch_size, distributed)

    scores = {split: scored(TASKS.get(split, task), rows) for split, rows in data.dev.items()}
    again = trial.best is None or trial.best.precision != "fp32"
    return scores, scored(task, data.selection) if again else None


def _scores(task: Task, model: Any, rows: EncodedRows, batch_size: int, distributed: DistributedContext) -> Scores:
    assert rows.labels is not None  # official rows that winners are scored on carry labels
    return score_predictions(Predictions(task, predict(model, rows, batch_size, distributed)), rows.labels, batch_size)
