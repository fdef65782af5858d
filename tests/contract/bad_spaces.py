"""Mistakes in search spaces, and what each message must show."""

from __future__ import annotations

from bad_job_files import BadInputs
from messages import Line

SPACE_FILES: BadInputs = [
    ("", [Line("my.yaml", "null")]),
    ("- a", [Line("my.yaml", "['a']")]),
    ("spce: {}", [Line("my.yaml:1: spce", nearest="space"), Line("my.yaml: space")]),
    ("space: 5", [Line("my.yaml:1: space", "5")]),
    ("space: {learning_rte: [1e-4]}", [Line("my.yaml:1: space.learning_rte", nearest="learning_rate")]),
    ("space: {learning_rate: 5}", [Line("my.yaml:1: space.learning_rate", "5")]),
    ("space: {learning_rate: {low: 1, high: 2}}", [Line("my.yaml:1: space.learning_rate.type", "null")]),
    (
        "space: {learning_rate: {type: flaot, low: 1, high: 2}}",
        [Line("my.yaml:1: space.learning_rate.type", "'flaot'", nearest="float")],
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-3, high: 1e-4}}",
        [Line("my.yaml:1: space.learning_rate", "(low=0.001, high=0.0001)")],
    ),
    (
        "space: {learning_rate: {type: float, low: 0, high: 1e-4, log: true}}",
        [Line("my.yaml:1: space.learning_rate", "(low=0.0)")],
    ),
    ("space: {learning_rate: {type: float, low: 0, high: 1e-4}}", [Line("my.yaml:1: space.learning_rate.low", "0.0")]),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, step: 0}}",
        [Line("my.yaml:1: space.learning_rate.step", "0")],
    ),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, step: 1e-5, log: true}}",
        [Line("my.yaml:1: space.learning_rate", "(step=1e-05, log=true)")],
    ),
    ("space: {learning_rate: {type: float, low: 1e-5}}", [Line("my.yaml:1: space.learning_rate.high")]),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4, hgh: 1}}",
        [Line("my.yaml:1: space.learning_rate.hgh", nearest="high")],
    ),
    (
        "space: {batch_size: {type: float, low: 8, high: 64}}",
        [Line("my.yaml:1: space.batch_size.low", "8.0"), Line("my.yaml:1: space.batch_size.high", "64.0")],
    ),
    ("space: {batch_size: {type: int, low: 8.5, high: 64}}", [Line("my.yaml:1: space.batch_size.low", "8.5")]),
    ("space: {batch_size: {type: int, low: 0, high: 64, step: 8}}", [Line("my.yaml:1: space.batch_size.low", "0")]),
    ("space: {batch_size: {type: int, low: 8, high: 64, step: 0}}", [Line("my.yaml:1: space.batch_size.step", "0")]),
    ("space: {batch_size: [16, 16]}", [Line("my.yaml:1: space.batch_size", "16 again")]),
    ("space: {batch_size: []}", [Line("my.yaml:1: space.batch_size", "[]")]),
    ("space: {batch_size: [16, big]}", [Line("my.yaml:1: space.batch_size[1]", "'big'")]),
    ("space: {batch_size: [16, 32.0]}", [Line("my.yaml:1: space.batch_size[1]", "32.0")]),
    ("space: {batch_size: [true]}", [Line("my.yaml:1: space.batch_size[0]", "true")]),
    ("space: {batch_size: {type: choice}}", [Line("my.yaml:1: space.batch_size.values")]),
    ("space: {batch_size: {type: choice, values: 16}}", [Line("my.yaml:1: space.batch_size.values", "16")]),
    ("space: {batch_size: [[16]]}", [Line("my.yaml:1: space.batch_size[0]", "[16]")]),
    ("space: {batch_size: [null]}", [Line("my.yaml:1: space.batch_size[0]", "null")]),
    (
        "space: {lr_scheduler_type: [linear, cosin]}",
        [Line("my.yaml:1: space.lr_scheduler_type[1]", "'cosin'", nearest="cosine")],
    ),
    (
        "space: {lr_scheduler_type: {type: int, low: 1, high: 2}}",
        [Line("my.yaml:1: space.lr_scheduler_type.low", "1"), Line("my.yaml:1: space.lr_scheduler_type.high", "2")],
    ),
    ("space: {weight_decay: {type: float, low: -0.1, high: 0.1}}", [Line("my.yaml:1: space.weight_decay.low", "-0.1")]),
    ("space: {warmup_ratio: {type: float, low: 0, high: 2}}", [Line("my.yaml:1: space.warmup_ratio.high", "2.0")]),
    ("space: {batch_size: [16]}\ntraining: {batch_size: 16}", [Line("my.yaml:2: training.batch_size")]),
    (
        "space: {batch_size: [16]}\ntraining: {learning_rate: 0, epochs: 3}",
        [
            Line("my.yaml:2: training.learning_rate", "0"),
            Line("my.yaml:2: training.epochs", nearest="num_train_epochs"),
        ],
    ),
    ("space: {batch_size: [16]}\ntraining: [a]", [Line("my.yaml:2: training", "['a']")]),
    ("space: {batch_size: [16]}\nsource: 5", [Line("my.yaml:2: source", "5")]),
    ("space: {batch_size: [16]}\npoints: 5", [Line("my.yaml:2: points", "5")]),
    ("space: {batch_size: [16]}\npoints: [5]", [Line("my.yaml:2: points[0]", "5")]),
    ("space: {batch_size: [16]}\npoints: [{batch_size: 8}]", [Line("my.yaml:2: points[0].batch_size", "8")]),
    ("space: {batch_size: [16], learning_rate: [1e-4]}\npoints: [{batch_size: 16}]", [Line("my.yaml:2: points[0]")]),
    (
        "space: {batch_size: [16]}\npoints: [{batch_size: 16, learning_rate: 1}]",
        [Line("my.yaml:2: points[0].learning_rate")],
    ),
    ("space: {batch_size: [16]}\npoints: [{batch_size: 16}, {batch_size: 16}]", [Line("my.yaml:2: points[1]")]),
    (
        "space: {learning_rate: {type: float, low: 1e-5, high: 1e-4}}\npoints:\n  - {learning_rate: 1e-3}",
        [Line("my.yaml:3: points[0].learning_rate", "0.001")],
    ),
    (
        "space:\n"
        "  learning_rate: {type: float, low: 1, high: 0}\n"
        "  batch_sise: [16]\n"
        "training:\n"
        "  weight_decay: -1\n"
        "points:\n"
        "  - {learning_rate: 3}\n",
        [
            Line("my.yaml:2: space.learning_rate", "(low=1.0, high=0.0)"),
            Line("my.yaml:3: space.batch_sise", nearest="batch_size"),
            Line("my.yaml:5: training.weight_decay", "-1"),
        ],
    ),
    ("space: {model: bert}", [Line("my.yaml:1: space.model", "'bert'")]),
    ("space: {model: []}", [Line("my.yaml:1: space.model", "[]")]),
    ("space: {model: [a, 5]}", [Line("my.yaml:1: space.model", "['a', 5]")]),
    ("space: {model: [a, b, a]}", [Line("my.yaml:1: space.model", "'a'")]),
    ("space: {modl: [a, b]}", [Line("my.yaml:1: space.modl", nearest="model")]),
    (
        "space: {model: [a, b], batch_size: [8]}\npoints: [{model: c, batch_size: 8}]",
        [Line("my.yaml:2: points[0].model", "'c'")],
    ),
    ("space: {model: [a, b], batch_size: [8]}\npoints: [{batch_size: 8}]", [Line("my.yaml:2: points[0]", "model")]),
    ("encoders: [a, b]", [Line("my.yaml:1: encoders", "['a', 'b']")]),
    ("encoders: {}", [Line("my.yaml:1: encoders")]),
    (
        "encoders:\n  a: {space: {lr: [1]}}\n  b: {space: {batch_size: [0]}}\nspace: {batch_size: [8]}",
        [
            Line("my.yaml:2: encoders.a.space.lr"),
            Line("my.yaml:3: encoders.b.space.batch_size[0]", "0"),
            Line("my.yaml:4: space", "encoders"),
        ],
    ),
    ("encoders:\n  a:\n    space: {model: [b, c]}", [Line("my.yaml:2: encoders.a")]),
]
