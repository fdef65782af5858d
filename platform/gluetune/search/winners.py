"""The winners: each scored once on the official development splits, and saved as a ``from_pretrained`` folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import ray

from gluetune.config import TrainingConfig
from gluetune.errors import ClusterError, StorageError
from gluetune.lane import FineTuning, LaneSpec
from gluetune.metrics import compute
from gluetune.models import build_model, save_pretrained
from gluetune.records import TrialRecord, WinnerScored
from gluetune.search.conductor import trial_folder
from gluetune.tasks import TASKS, get_task
from gluetune.training import Checkpoints, World, predict


def winner_folder(task: str) -> str:
    """A winner's ``save_pretrained`` folder on the search's storage."""
    return f"winners/{task}"


def score_winners(spec: LaneSpec, work: FineTuning, tokenizer: Any, trials: Iterable[TrialRecord],
                  ) -> Iterator[WinnerScored]:
    """Scores and saves winners on the cluster, each with one lane worker's resources, and yields them as they come.

    Raises:
        ClusterError: after all others have been yielded: some could not be scored.
    """
    shared = ray.put(tokenizer)
    run = ray.remote(num_cpus=spec.cpus, num_gpus=spec.gpus, max_retries=2)(_score)
    pending = {run.remote(spec, work, shared, trial): trial for trial in trials}
    failed = []
    while pending:
        (done,), _ = ray.wait(list(pending), num_returns=1)
        trial = pending.pop(done)
        try:
            yield ray.get(done)
        except ray.exceptions.RayError as error:
            failed.append(f"the winner {trial.name} could not be scored: {error}")
    if failed:
        raise ClusterError("\n".join(failed))


def _score(spec: LaneSpec, work: FineTuning, tokenizer: Any, trial: TrialRecord) -> WinnerScored:
    import torch

    torch.set_num_threads(max(1, int(spec.cpus)))
    task, training = get_task(trial.task), TrainingConfig(**trial.training)  # type: ignore[arg-type]
    encoder, data = ray.get([work.encoder, work.data[trial.task]])
    weights = Checkpoints(spec.storage, trial_folder(trial)).load_best()
    if weights is None:
        raise StorageError(f"the checkpoint of winner {trial.name} is gone from {spec.storage.uri()}")
    world = World(device="cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(encoder, task, training, trial.seed)
    model.load_state_dict(weights)
    model.to(world.device).eval()
    scores = {}
    for split, rows in data.dev.items():
        logits = predict(model, rows, training.eval_batch_size, world)
        scores[split] = compute(TASKS.get(split, task), logits, rows.labels)
    folder = winner_folder(trial.task)
    with tempfile.TemporaryDirectory() as local:
        save_pretrained(encoder, task, weights, tokenizer, local, training)
        spec.storage.upload(local, folder)
    return WinnerScored(time=time.time(), number=trial.number, task=trial.task, scores=scores,
                        folder=spec.storage.uri(folder))
