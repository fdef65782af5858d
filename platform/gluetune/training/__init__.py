"""Fine-tuning as plain torch: one trial at a time, told what to report to; it knows nothing of Ray or MLflow."""

from gluetune.training.checkpoints import Checkpoints
from gluetune.training.evaluate import predict
from gluetune.training.loop import fine_tune
from gluetune.training.reports import Evaluation, StepLog
from gluetune.training.world import World

__all__ = ["Checkpoints", "Evaluation", "StepLog", "World", "fine_tune", "predict"]
