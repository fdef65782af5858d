"""Bad search spaces: every mistake is told with file and line, rule, value and nearest valid name.

Each row is what the user wrote and the complete message.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.config import load_space
from gluetune.errors import ConfigError

SPACE_FILES = [
    ("", "my.yaml: must be a mapping with the key 'space', but got null"),
    ("- a", "my.yaml: must be a mapping with the key 'space', but got ['a']"),
    ("spce: {}", "my.yaml:1: spce: no such key; nearest: 'space'\nmy.yaml: space: must be given"),
    ("space: 5", "my.yaml:1: space: must be a mapping from training fields to distributions, but got 5"),
    ("space: {learning_rte: [1e-4]}", "my.yaml:1: space.learning_rte: no such key; nearest: 'learning_rate'"),
    (
        "space: {learning_rate: 5}",
        "my.yaml:1: space.learning_rate: must be a list of values or a mapping with the key 'type', but got 5",
    ),
    (
        "space: {learning_rate: {low: 1, high: 2}}",
        "my.yaml:1: space.learning_rate.type: must be one of choice, float, int, but got null",
    ),
    (
        "space: {learning_rate: {type: flaot, low: 1, high: 2}}",
        "my.yaml:1: space.learning_rate.type: must be one of choice, float, int, but got 'flaot'; nearest: 'float'",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-3, high: 1e-4}}",
        "my.yaml:1: space.learning_rate: `low <= high` must hold, but got (low=0.001, high=0.0001)",
    ),
    (
        "space: {learning_rate: {type: float, low: 0, high: 1e-4, log: true}}",
        "my.yaml:1: space.learning_rate: `low > 0` must hold where log is true, but got (low=0.0)",
    ),
    (
        "space: {learning_rate: {type: float, low: 0, high: 1e-4}}",
        "my.yaml:1: space.learning_rate.low: learning_rate must be a number > 0, but got 0.0",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, step: 0}}",
        "my.yaml:1: space.learning_rate.step: must be a number > 0 or null, but got 0",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, step: 1e-5, log: true}}",
        "my.yaml:1: space.learning_rate: step and log must not be given together, but got (step=1e-05, log=true)",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5}}",
        "my.yaml:1: space.learning_rate.high: must be given (a number)",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, hgh: 1}}",
        "my.yaml:1: space.learning_rate.hgh: no such key; nearest: 'high'",
    ),
    (
        "space: {batch_size: {type: float, low: 8, high: 64}}",
        "my.yaml:1: space.batch_size.low: batch_size must be a whole number >= 1, but got 8.0\n"
        "my.yaml:1: space.batch_size.high: batch_size must be a whole number >= 1, but got 64.0",
    ),
    (
        "space: {batch_size: {type: int, low: 8.5, high: 64}}",
        "my.yaml:1: space.batch_size.low: must be a whole number, but got 8.5",
    ),
    (
        "space: {batch_size: {type: int, low: 0, high: 64, step: 8}}",
        "my.yaml:1: space.batch_size.low: batch_size must be a whole number >= 1, but got 0",
    ),
    (
        "space: {batch_size: {type: int, low: 8, high: 64, step: 0}}",
        "my.yaml:1: space.batch_size.step: must be a whole number >= 1, but got 0",
    ),
    ("space: {batch_size: [16, 16]}", "my.yaml:1: space.batch_size: values must be given once, but got 16 again"),
    ("space: {batch_size: []}", "my.yaml:1: space.batch_size: must be a non-empty list, but got []"),
    (
        "space: {batch_size: [16, big]}",
        "my.yaml:1: space.batch_size[1]: batch_size must be a whole number >= 1, but got 'big'",
    ),
    (
        "space: {batch_size: [16, 32.0]}",
        "my.yaml:1: space.batch_size[1]: batch_size must be a whole number >= 1, but got 32.0",
    ),
    (
        "space: {batch_size: [true]}",
        "my.yaml:1: space.batch_size[0]: batch_size must be a whole number >= 1, but got true",
    ),
    ("space: {batch_size: {type: choice}}", "my.yaml:1: space.batch_size.values: must be given (a non-empty list)"),
    (
        "space: {batch_size: {type: choice, values: 16}}",
        "my.yaml:1: space.batch_size.values: must be a non-empty list, but got 16",
    ),
    (
        "space: {batch_size: [[16]]}",
        "my.yaml:1: space.batch_size[0]: must be true or false, a whole number, a number or text, but got [16]",
    ),
    (
        "space: {batch_size: [null]}",
        "my.yaml:1: space.batch_size[0]: must be true or false, a whole number, a number or text, but got null",
    ),
    (
        "space: {lr_scheduler_type: [linear, cosin]}",
        "my.yaml:1: space.lr_scheduler_type[1]: lr_scheduler_type must be one of linear, cosine, constant, "
        "constant_with_warmup, but got 'cosin'; nearest: 'cosine'",
    ),
    (
        "space: {lr_scheduler_type: {type: int, low: 1, high: 2}}",
        "my.yaml:1: space.lr_scheduler_type.low: lr_scheduler_type must be one of linear, cosine, constant, "
        "constant_with_warmup, but got 1\n"
        "my.yaml:1: space.lr_scheduler_type.high: lr_scheduler_type must be one of linear, cosine, constant, "
        "constant_with_warmup, but got 2",
    ),
    (
        "space: {weight_decay: {type: float, low: -0.1, high: 0.1}}",
        "my.yaml:1: space.weight_decay.low: weight_decay must be a number >= 0, but got -0.1",
    ),
    (
        "space: {warmup_ratio: {type: float, low: 0, high: 2}}",
        "my.yaml:1: space.warmup_ratio.high: warmup_ratio must be a number >= 0 and <= 1, but got 2.0",
    ),
    (
        "space: {batch_size: [16]}\ntraining: {batch_size: 16}",
        "my.yaml:2: training.batch_size: must not be set beside the distribution of the same field in `space`",
    ),
    (
        "space: {batch_size: [16]}\ntraining: {learning_rate: 0, epochs: 3}",
        "my.yaml:2: training.learning_rate: must be a number > 0, but got 0\n"
        "my.yaml:2: training.epochs: no such key; nearest: 'num_train_epochs'",
    ),
    ("space: {batch_size: [16]}\ntraining: [a]", "my.yaml:2: training: must be a mapping, but got ['a']"),
    ("space: {batch_size: [16]}\nsource: 5", "my.yaml:2: source: must be text, but got 5"),
    ("space: {batch_size: [16]}\npoints: 5", "my.yaml:2: points: must be a list of configurations, but got 5"),
    ("space: {batch_size: [16]}\npoints: [5]", "my.yaml:2: points[0]: must be a mapping, but got 5"),
    (
        "space: {batch_size: [16]}\npoints: [{batch_size: 8}]",
        "my.yaml:2: points[0].batch_size: must lie in space.batch_size, but got 8",
    ),
    (
        "space: {batch_size: [16], learning_rate: [1e-4]}\npoints: [{batch_size: 16}]",
        "my.yaml:2: points[0]: must name every field of `space`, but learning_rate is missing",
    ),
    (
        "space: {batch_size: [16]}\npoints: [{batch_size: 16, learning_rate: 1}]",
        "my.yaml:2: points[0].learning_rate: no such key; there are: batch_size",
    ),
    (
        "space: {batch_size: [16]}\npoints: [{batch_size: 16}, {batch_size: 16}]",
        "my.yaml:2: points[1]: must differ from the points before it",
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4}}\npoints:\n  - {learning_rate: 1e-3}",
        "my.yaml:3: points[0].learning_rate: must lie in space.learning_rate, but got 0.001",
    ),
    (
        "space:\n"
        "  learning_rate: {type: float, low: 1, high: 0}\n"
        "  batch_sise: [16]\n"
        "training:\n"
        "  weight_decay: -1\n"
        "points:\n"
        "  - {learning_rate: 3}\n",
        "my.yaml:2: space.learning_rate: `low <= high` must hold, but got (low=1.0, high=0.0)\n"
        "my.yaml:3: space.batch_sise: no such key; nearest: 'batch_size'\n"
        "my.yaml:5: training.weight_decay: must be a number >= 0, but got -1",
    ),
]


@pytest.mark.parametrize(("text", "message"), SPACE_FILES, ids=[text for text, _ in SPACE_FILES])
def test_space_file(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_space("my.yaml")
    assert str(caught.value) == message
