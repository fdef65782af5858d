"""Statistics of results: intervals and tests over seeds and rows, and what further trials are expected to gain.

Every function is deterministic by its ``seed``. Only NumPy, SciPy and the metrics of `gluetune.tasks` are used.
"""

from gluetune.statistics.comparison import PairedTest, holm, paired_test
from gluetune.statistics.expected_best import (
    ExpectedBest,
    FurtherGain,
    count_scored,
    expected_best,
    expected_gain,
    further_gain,
)
from gluetune.statistics.intervals import (
    Interval,
    IntervalMethod,
    SeedSummary,
    bootstrap_interval,
    resample_seeds,
    summarise_seeds,
)
from gluetune.statistics.row_resampling import resamples_at_once
from gluetune.statistics.seed_outputs import SeedOutputs

__all__ = [
    "ExpectedBest",
    "FurtherGain",
    "Interval",
    "IntervalMethod",
    "PairedTest",
    "SeedOutputs",
    "SeedSummary",
    "bootstrap_interval",
    "count_scored",
    "expected_best",
    "expected_gain",
    "further_gain",
    "holm",
    "paired_test",
    "resample_seeds",
    "resamples_at_once",
    "summarise_seeds",
]
