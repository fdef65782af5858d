"""What ``docs/reference/mlflow-names.md`` says of each name."""

from __future__ import annotations

INTRODUCTION = """
A search records into one experiment: `tracking.experiment` of the job file, else the name of the search. Its runs are a
tree. The step of a trial's metric is the optimizer step; that of a metric of the search's and the tasks' runs is the
number of evaluations of the task so far. [A guide](../how-to/mlflow.md) shows them in the UI.
"""

RUNS = (
    ("search", "name of the search", "`search`"),
    ("task, below the search", "title of the task", "`task`"),
    ("trial, below its task", "`<task>-<number>` and its configuration: `cola-0007 lr 3e-4 bs 16`", "`trial`"),
    ("seed of a confirmation, below the trial that it confirms", "`<task>-seed-<number>`", "`seed`"),
)

METRICS = {
    "best_score": ("task, trial", "best score so far; a higher one is always better"),
    "best_score/<task>": ("search", "the same of each task"),
    "best_score_epoch": ("trial", "epoch of the best score"),
    "best_score_deviation": ("trial", "of a cross-validation: standard deviation of the scores of the folds"),
    "fold_score": ("trial", "of a cross-validation: score of each fold; the step is the fold"),
    "trial_score": ("task", "score of each trial that ended; the step is the trial's number"),
    "baseline": ("task", "score of a constant prediction"),
    "dev_score/<task>": ("search", "score of the winner on official rows"),
    "<split>.<metric>": ("task, winner, seed", "metrics of the saved model on a split, such as `validation.accuracy`"),
    "eval_<metric>": ("trial", "each metric of an evaluation on the selection rows"),
    "eval_score": ("trial", "score of an evaluation: the task's primary metric, its sign changed where less is better"),
    "eval_loss": ("trial", "mean loss on the selection rows"),
    "train_loss": ("trial", "mean training loss since the previous evaluation"),
    "train_accuracy": ("trial", "accuracy on the training rows since the previous evaluation; not for a regression"),
    "learning_rate": ("trial", "learning rate at the step"),
    "epoch": ("trial", "epochs done"),
    "train_seconds": ("trial", "seconds of training since the previous evaluation"),
    "eval_seconds": ("trial", "seconds of the evaluation"),
    "train_examples": ("trial", "rows trained on since the previous evaluation; sentence pairs of a pre-training run"),
    "train_tokens": ("trial", "tokens of these, without padding"),
    "idle_seconds_before": ("trial", "seconds for which the lane waited before the trial's first step"),
    "running_loss": ("trial", "training loss between evaluations, with `training.logging_steps`"),
    "running_accuracy": ("trial", "the same of the accuracy"),
    "examples_per_second": ("trial", "the same of the rows trained on per second"),
    "masked_lm_loss, next_sentence_loss": ("pre-training run", "losses of the held-out pairs"),
    "masked_lm_accuracy, next_sentence_accuracy": ("pre-training run", "accuracies of the held-out pairs"),
    "train_masked_lm_loss, train_next_sentence_loss": ("pre-training run", "losses since the previous evaluation"),
    "fold_<number>/<metric>": ("trial", "of a cross-validation: the metrics of one fold"),
}

PARAMS = (
    (
        "search",
        "`seed`, `model`, `parameters`, `space`, `space_source`, `fields`, `algorithm`, `scheduler`, `objective`, "
        "`lanes`, `workers_per_lane`, `resources`, `tasks`, `time_budget_s`, `folder`",
    ),
    (
        "task",
        "`task`, `source`, `metric`, `train_rows`, `selection_rows`, `dev_rows`, `planned`, and `folds` of a "
        "cross-validation",
    ),
    ("trial", "`task`, `model`, `seed`, and each field of [training](job-file.md#training) by its name"),
)

TAGS = {
    "gluetune.level": "what a run is: `search`, `task`, `trial` or `seed`",
    "gluetune.search": "name of the search",
    "gluetune.search_id": "id of the search, the same in all its runs",
    "gluetune.run": "key of the run in the search: `search`, `task:cola`, `trial:7`, `seed:3`",
    "gluetune.task": "name of the task",
    "gluetune.trial": "number of the trial",
    "gluetune.model": "the encoder",
    "gluetune.data": "where the rows come from",
    "gluetune.seed": "seed of the trial",
    "gluetune.status": "`running`, or how the trial ended",
    "gluetune.message": "why a trial did not finish; the whole text is in `message.txt` where it is long",
    "gluetune.pruned_at": "epoch or fold at which a scheduler stopped the trial",
    "gluetune.folds": "of a cross-validation: complete folds, such as `5 of 5`",
    "gluetune.lane": "lane of the last evaluation",
    "gluetune.best_trial": "of a task: its best trial so far",
    "gluetune.winner": "of a task: its winner; of a trial: `true` for the winner",
    "gluetune.folder": "folder of the winner's model, or of the pre-trained encoder",
    "gluetune.confirms": "of a seed: number of the trial that it confirms",
    "gluetune.metric": "of a model: the task's primary metric",
    "gluetune.score": "of a model: the winner's score on the selection rows",
    "gluetune.selection_fingerprint": "of a model: fingerprint of the selection rows",
    "gluetune.synthetic": "of a model: whether its data is generated",
    "gluetune.promoted": "of a version: whether it became champion",
    "gluetune.<split>.<metric>": "of a model: its metrics on each split",
    "mlflow.note.content": "description of a run, which the UI shows",
    "mlflow.user": "name of the user",
    "mlflow.source.name": "`gluetune` and its version",
}

ARTIFACTS = (
    ("`job.yaml`", "search", "the job file"),
    ("`data_card.md`", "task", "the data card of a task of your own files"),
    ("`classes_<split>.csv`", "winner", "precision, recall, F1 and rows of each class"),
    ("`confusion_<split>.csv`", "winner", "confusion matrix; of a multi-label task, outcomes of each class"),
    ("`learning_curve.png`", "winner", "its learning curve"),
    ("`pareto.png`", "task", "the Pareto front of a search with two objectives"),
    ("`report.html`", "search, task", "the report"),
    ("`message.txt`", "trial", "a message that is too long for a tag"),
)

MODELS = """
The winner of each task is logged as the MLflow model `model` of its run, and with `tracking.register_models` registered
as a version of `gluetune-<task>`. The alias `champion` is moved to the new version if there is no champion yet, if the
champion was trained on generated data, or if the new version has a better score on the same selection rows by the same
metric. A model that was trained on generated data never gets the alias.
"""
