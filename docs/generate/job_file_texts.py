"""What ``docs/reference/job-file.md`` says beside the keys: an example of each section, and rules between keys."""

from __future__ import annotations

INTRODUCTION = """
A job file is YAML that says what `gluetune tune` searches, or what `gluetune finetune` trains. Each key may be left
out; a key that does not exist is a mistake. All mistakes of a file are one message, with the line of each. Flags
override the job file: the short cuts below, and `--set KEY=VALUE` for every key, such as
`--set search.scheduler.grace_epochs=2`. In Python, `gluetune.tune` takes the same keys as arguments.
`gluetune evaluate` and `gluetune predict` read a job file to find its latest run.

Relative paths start in the current folder. A key `schema_version` is that of files that gluetune writes into a run's
folder: an older version is read, a newer one is refused.
"""

PRETRAINING = """
`gluetune pretrain` reads job files with other sections. `lanes`, `storage`, `tracking` and `published` are as above; a
pre-training job runs on one lane.
"""

EXAMPLES = {
    "": """
name: tickets-first
seed: 42
tasks: [cola, rte]
search: {space: wide, algorithm: tpe, num_samples: 20}
""",
    "data": """
data:
  source: hub
  selection: holdout
  selection_fraction: 0.1
""",
    "tasks": """
tasks:
  cola: 1
  tickets:
    train: data/tickets.csv
    text: [title, body]
    label: topic
    metric: f1_macro
    weight: 2
""",
    "model": """
model:
  name_or_path: [distilbert-base-uncased, google-bert/bert-base-uncased]
""",
    "training": """
tasks: [cola, rte]
training:
  batch_size: 16
  num_train_epochs: 4
  loss: focal
  patience: 2
""",
    "search": """
search:
  space: wide
  algorithm: tpe
  num_samples: 20
  time_budget_s: 3600
""",
    "search.scheduler": """
search:
  space: wide
  algorithm: tpe
  num_samples: 20
  scheduler:
    name: asha
    grace_epochs: 1
    reduction_factor: 2
""",
    "search.budget": """
search:
  space: wide
  algorithm: tpe
  num_samples: 40
  budget: {gpu_hours: 2, trials: 60}
""",
    "search.stop_when": """
search:
  space: wide
  algorithm: tpe
  num_samples: 40
  stop_when: {expected_gain_below: 0.002, patience: 3}
""",
    "lanes": """
lanes:
  max_concurrent_trials: auto
  workers_per_lane: 1
  cost_per_hour: {gpu: 2.5, cpu: 0.04}
""",
    "storage": """
storage:
  path: s3://my-bucket/runs
""",
    "tracking": """
tracking:
  uri: http://127.0.0.1:5000
  experiment: glue-all
""",
    "confirm": """
confirm: {top: 3, seeds: 5}
""",
    "published": """
published:
  source: Devlin et al. 2019, table 6
  figures: {validation_matched.accuracy: 0.844}
""",
}

AFTER = {
    "tasks": """
`tasks` maps the names of the tasks of GLUE and SNLI to weights, and the name of a task of your own files to its
description. The name of a task of your own consists of letters, digits, `.`, `_` and `-`, and is not that of a built-in
task. [Your own data](own-data.md) says how files are read, and how labels are classified.

The flags describe the job's only task, which `--task-name` names; without it, its name is that of the train file.
Several tasks of your own, or some beside built-in ones, need a job file.
""",
    "training": """
Settings of this section go before those of the search space; a search varies the fields that its space lists. Most
names are those of `transformers.TrainingArguments`. [Adapters](../how-to/lora.md) and
[rare classes](../how-to/imbalance.md) have guides.

- A loss, weights or a sampler that do not fit the labels of a task are one message before anything starts; for a task
  of your own files it comes once its rows are read.
- Configurations that train the same count as one: `focal_gamma` without `loss: focal`, a `patience` longer than the
  trial, `weight_average: 1`.
- A resumed trial continues to the same numbers: checkpoints hold the counters and averages. With `weight_average: k` a
  checkpoint holds k copies of the trained weights.
""",
    "data": """
A setting that the value of `selection` does not use is a mistake, such as `folds` with `holdout`. With the `validation`
rows of a task of your own files, these rank its trials, whatever `selection` is, except for `kfold`.
""",
    "search.scheduler": """
`scheduler: asha` is short for `scheduler: {name: asha}`. A setting that the scheduler does not use is a mistake.
""",
    "search.budget": """
`search.budget.seconds` must not be given beside `search.time_budget_s`. [Budgets](../how-to/budgets.md) has a guide.
""",
}
