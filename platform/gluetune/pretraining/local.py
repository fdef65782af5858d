"""Pre-training in this process, from text to a ``from_pretrained`` folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.encoder import save_encoder
from gluetune.pretraining.evaluation import PretrainingEvaluation
from gluetune.pretraining.loop import pretrain
from gluetune.pretraining.prepare import prepare_text
from gluetune.pretraining.text import Text
from gluetune.storage import Storage
from gluetune.training.checkpoints import Checkpoints


def pretrain_folder(
    text: Text,
    folder: Path,
    job: PretrainJob,
    report: Callable[[PretrainingEvaluation], None],
) -> None:
    """Makes vocabulary and encoder on the CPU and writes both.

    Args:
        text: the text.
        folder: gets config, safetensors (encoder, pooler, both heads) and the tokenizer's files.
        job: everything else but what concerns lanes, storage and tracking.
        report: told every evaluation.

    Raises:
        DataError: too few documents.
        DivergedError: a loss is not finite.
    """
    data, tokenizer = prepare_text(text, job)

    def go_on(evaluation: PretrainingEvaluation) -> bool:
        report(evaluation)
        return True

    with tempfile.TemporaryDirectory() as scratch:
        checkpoints = Checkpoints(Storage(scratch), "run")
        pretrain(data, job, report=go_on, checkpoints=checkpoints)
        weights = checkpoints.load_best()
        assert weights is not None  # saved after the last step
        save_encoder(folder, weights, job, tokenizer)
