"""Pre-training of encoders with masked-LM and next-sentence prediction, in plain torch; no Ray, no MLflow."""

from gluetune.pretraining.config import (
    EncoderConfig,
    PretrainingConfig,
    PretrainJob,
    TextConfig,
    TokenizerConfig,
    dump_pretrain_job,
    load_pretrain_job,
    parse_pretrain_job,
)
from gluetune.pretraining.corpus import Corpus
from gluetune.pretraining.encoder import save_encoder
from gluetune.pretraining.evaluation import summary_metrics
from gluetune.pretraining.prepare import PretrainingData, prepare_job, prepare_text
from gluetune.pretraining.pretrainer import pretrain_folder, train_encoder
from gluetune.pretraining.synthetic_encoder import planned_encoder, prepare_synthetic_encoder
from gluetune.pretraining.text import Text, read_text

__all__ = [
    "Corpus",
    "EncoderConfig",
    "PretrainJob",
    "PretrainingConfig",
    "PretrainingData",
    "Text",
    "TextConfig",
    "TokenizerConfig",
    "dump_pretrain_job",
    "load_pretrain_job",
    "parse_pretrain_job",
    "planned_encoder",
    "prepare_job",
    "prepare_synthetic_encoder",
    "prepare_text",
    "pretrain_folder",
    "read_text",
    "save_encoder",
    "summary_metrics",
    "train_encoder",
]
