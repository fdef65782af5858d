"""Fine-tuning as plain torch: one trial at a time, told what to report to; it knows nothing of Ray or MLflow."""

from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed import DistributedContext
from gluetune.training.evaluate import predict
from gluetune.training.loop import fine_tune
from gluetune.training.reports import Evaluation, StepLog

__all__ = ["Checkpoints", "DistributedContext", "Evaluation", "StepLog", "fine_tune", "predict"]
