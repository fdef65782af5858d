"""Pre-training of encoders: masked LM and next-sentence prediction. Plain torch, no Ray."""

from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.embedded import embedded_encoder
from gluetune.pretraining.job import pretrain_folder
from gluetune.pretraining.loop import Losses, Progress

__all__ = ["Losses", "PretrainingConfig", "Progress", "embedded_encoder", "pretrain_folder"]
