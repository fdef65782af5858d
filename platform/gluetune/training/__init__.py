"""Fine-tuning of one trial in plain torch: loop, evaluation, checkpoints and exact speed-ups; no Ray, no MLflow."""

from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.evaluate import predict
from gluetune.training.loop import fine_tune
from gluetune.training.results import Evaluation, StepLog

__all__ = ["Checkpoints", "DistributedContext", "Evaluation", "StepLog", "fine_tune", "predict"]
