"""Typed, frozen configurations of jobs, searches and training, and their YAML files."""

from gluetune.config.job import (
    Algorithm,
    DataConfig,
    JobConfig,
    LanesConfig,
    ModelConfig,
    SchedulerConfig,
    SearchConfig,
    StorageConfig,
    TrackingConfig,
)
from gluetune.config.space import Choice, Distribution, Float, Int, SearchSpace, Value, finite_values
from gluetune.config.training import Section, TrainingConfig

__all__ = [
    "Algorithm", "Choice", "DataConfig", "Distribution", "Float", "Int", "JobConfig", "LanesConfig", "ModelConfig",
    "SchedulerConfig", "SearchConfig", "SearchSpace", "Section", "StorageConfig", "TrackingConfig", "TrainingConfig",
    "Value", "finite_values",
]
