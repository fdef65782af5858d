"""Mistakes in flags, on top of a valid job file, and what each message must show."""

from __future__ import annotations

from bad_job_files import BadInputs
from messages import Line

FLAGS: BadInputs = [
    ("--tsks cola", [Line("--tsks", nearest="--tasks")]),
    ("--learning-rate 3e-5", [Line("--learning-rate")]),
    ("--num_sample 3", [Line("--num-sample", nearest="--num-samples")]),
    ("--nothing-like-it", [Line("--nothing-like-it")]),
    ("cola", [Line("", "'cola'")]),
    ("-x", [Line("-x")]),
    ("--tasks", [Line("--tasks")]),
    ("--dry-run=1", [Line("--dry-run")]),
    ("--set training.learning_rate", [Line("--set", "'training.learning_rate'")]),
    ("--set =3", [Line("--set", "'=3'")]),
    ("--set seed=[", [Line("--set seed", "'['")]),
    ("--num-samples {", [Line("--num-samples", "'{'")]),
    ("--num-samples many", [Line("--num-samples", "'many'")]),
    ("--num-samples 0", [Line("--num-samples", "0")]),
    ("--seed -1", [Line("--seed", "-1")]),
    ("--tasks cola,colla", [Line("--tasks", "'colla'", nearest="cola")]),
    ("--tasks ax", [Line("--tasks")]),
    ("--tasks ,", [Line("--tasks")]),
    ("--algorithm tpx", [Line("--algorithm", "'tpx'", nearest="tpe")]),
    ("--scheduler ahsa", [Line("--scheduler", "'ahsa'", nearest="asha")]),
    ("--space wid", [Line("--space", "'wid'", nearest="wide")]),
    ("--data disk", [Line("--data", "'disk'")]),
    ("--data dir", [Line("--data")]),
    ("--data dir --data-dir nowhere", [Line("--data-dir", "'nowhere'")]),
    ("--data-dir .", [Line("--data-dir")]),
    ("--data custom", [Line("--data")]),
    ("--data dir --data-dir . --set data.test_file=nothing", [Line("--set data.test_file")]),
    ("--gpus-per-worker 1.5", [Line("--gpus-per-worker", "1.5")]),
    ("--cpus-per-worker none", [Line("--cpus-per-worker", "'none'")]),
    ("--name a/b", [Line("--name", "'a/b'")]),
    ("--set search.scheduller=asha", [Line("--set search.scheduller", nearest="scheduler")]),
    ("--set serach.space=wide", [Line("--set serach", nearest="search")]),
    (
        "--set search.scheduler.grace_epochs=9",
        [Line("--set search.scheduler.grace_epochs", "(grace_epochs=9, num_train_epochs=4)")],
    ),
    ("--set data.source.x=1", [Line("--set data.source.x")]),
    ("--set tasks.colla=2", [Line("--set tasks.colla", "'colla'", nearest="cola")]),
    ("--set training.learning_rate=1e-5", [Line("--set training.learning_rate")]),
    ("--max-seq-length 4", [Line("--max-seq-length", "4")]),
    ("--time-budget-s soon", [Line("--time-budget-s", "'soon'")]),
    ("--selection train", [Line("--selection", "'train'", nearest="train_test_split")]),
    ("--max-concurrent-trials 0", [Line("--max-concurrent-trials", "0")]),
    ("--resume x --tasks cola --set seed=1 --config f", [Line("--resume", "--config, --tasks, --set seed")]),
    ("--resume x --num-samples 5", [Line("--resume", "--num-samples")]),
    (
        "--tasks colla --algorithm tpx --set training.lr=1",
        [
            Line("--tasks", "'colla'", nearest="cola"),
            Line("--set training.lr"),
            Line("--algorithm", "'tpx'", nearest="tpe"),
        ],
    ),
    ("--max-train-samples 1", [Line("--max-train-samples", "1")]),
]
