"""Pre-training of encoders: masked LM and next-sentence prediction. Plain torch, no Ray."""

from gluetune.pretraining.config import EncoderConfig, PretrainingConfig, PretrainJob, TextConfig, TokenizerConfig
from gluetune.pretraining.corpus import Corpus
from gluetune.pretraining.encoder import save_encoder
from gluetune.pretraining.evaluation import PretrainingEvaluation, figures
from gluetune.pretraining.job_file import dump_pretrain_job, load_pretrain_job, parse_pretrain_job
from gluetune.pretraining.local import pretrain_folder
from gluetune.pretraining.loop import pretrain
from gluetune.pretraining.prepare import PretrainingData, prepare_job, prepare_text
from gluetune.pretraining.synthetic_encoder import planned_encoder, prepare_synthetic_encoder
from gluetune.pretraining.text import Text, read_text

__all__ = [
    "Corpus",
    "EncoderConfig",
    "PretrainJob",
    "PretrainingConfig",
    "PretrainingData",
    "PretrainingEvaluation",
    "Text",
    "TextConfig",
    "TokenizerConfig",
    "dump_pretrain_job",
    "figures",
    "load_pretrain_job",
    "parse_pretrain_job",
    "planned_encoder",
    "prepare_job",
    "prepare_synthetic_encoder",
    "prepare_text",
    "pretrain",
    "pretrain_folder",
    "read_text",
    "save_encoder",
]
