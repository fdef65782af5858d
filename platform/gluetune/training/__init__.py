"""Fine-tuning of one trial in plain torch: loop, evaluation, checkpoints and exact speed-ups; no Ray, no MLflow."""

from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.evaluate import predict_logits
from gluetune.training.refit import train_refit
from gluetune.training.speedups import FreedMemory, configure_process
from gluetune.training.trainer import train_trial

__all__ = [
    "Checkpoints",
    "DistributedContext",
    "FreedMemory",
    "configure_process",
    "predict_logits",
    "train_refit",
    "train_trial",
]
