"""Typed, frozen configurations of jobs, search spaces and training, and their YAML files."""

from gluetune.config.addresses import password, text_without_passwords, without_password
from gluetune.config.budgets import (
    FURTHER_TRIALS,
    MIN_GAIN_TRIALS,
    BudgetConfig,
    CostPerHour,
    StopRuleConfig,
    divide_trials,
    price_of,
)
from gluetune.config.checks import check_fit, resolve_training
from gluetune.config.configurations import completed_configuration, wrong_values
from gluetune.config.data_and_model import SYNTHETIC_ENCODER, DataConfig, ModelConfig
from gluetune.config.encoder_spaces import EncoderFamily, with_encoders
from gluetune.config.equivalence import (
    COMPUTATION_FIELDS,
    DEPENDENT_FIELDS,
    TaskFacts,
    equivalence_key,
    idle_fields,
    overridden_fields,
    without_idle_fields,
)
from gluetune.config.job import (
    Algorithm,
    ConfirmConfig,
    JobConfig,
    Objective,
    PublishedConfig,
    SchedulerConfig,
    SearchConfig,
)
from gluetune.config.job_files import default_job_file, dump_job, load_job, make_job, parse_job
from gluetune.config.loss_checks import loss_issues
from gluetune.config.overrides import Override
from gluetune.config.resources import LanesConfig, StorageConfig, TrackingConfig
from gluetune.config.space import (
    MODEL_FIELD,
    Choice,
    Distribution,
    Float,
    Int,
    SearchSpace,
    Value,
    contains,
    finite_values,
)
from gluetune.config.space_files import dump_space, known_spaces, load_space, parse_space, spaces_for
from gluetune.config.task_files import TaskFiles
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Section

__all__ = [
    "COMPUTATION_FIELDS",
    "DEPENDENT_FIELDS",
    "FURTHER_TRIALS",
    "MIN_GAIN_TRIALS",
    "MODEL_FIELD",
    "SYNTHETIC_ENCODER",
    "Algorithm",
    "BudgetConfig",
    "Choice",
    "ConfirmConfig",
    "CostPerHour",
    "DataConfig",
    "Distribution",
    "EncoderFamily",
    "Float",
    "Int",
    "JobConfig",
    "LanesConfig",
    "ModelConfig",
    "Objective",
    "Override",
    "PublishedConfig",
    "SchedulerConfig",
    "SearchConfig",
    "SearchSpace",
    "Section",
    "StopRuleConfig",
    "StorageConfig",
    "TaskFacts",
    "TaskFiles",
    "TrackingConfig",
    "TrainingConfig",
    "Value",
    "check_fit",
    "completed_configuration",
    "contains",
    "default_job_file",
    "divide_trials",
    "dump_job",
    "dump_space",
    "equivalence_key",
    "finite_values",
    "idle_fields",
    "known_spaces",
    "load_job",
    "load_space",
    "loss_issues",
    "make_job",
    "overridden_fields",
    "parse_job",
    "parse_space",
    "password",
    "price_of",
    "resolve_training",
    "spaces_for",
    "text_without_passwords",
    "with_encoders",
    "without_idle_fields",
    "without_password",
    "wrong_values",
]
