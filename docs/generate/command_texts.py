"""What ``docs/reference/commands.md`` says beside the flags: guides, names of runs and models, states."""

from __future__ import annotations

_RUNS, _ACTING, _SOURCES = "runs.md", "acting-on-a-search.md", "source-systems.md"


def _guide(page: str, title: str = "guide") -> str:
    return f"[{title}](../how-to/{page})"


GUIDES = {
    "tune": "[tutorial](../tutorials/from-a-csv.md)",
    "confirm": _guide("confirm.md"),
    "finetune": "[settings](job-file.md#training)",
    "evaluate": _guide("evaluate.md"),
    "predict": _guide("predict.md"),
    "pretrain": _guide(_SOURCES),
    "export": _guide("export.md"),
    "list": _guide(_RUNS),
    "show": _guide(_RUNS),
    "trials": _guide(_RUNS),
    "compare": _guide(_RUNS),
    "stop": _guide(_ACTING),
    "add": _guide(_ACTING),
    "extend": _guide(_ACTING),
    "verify": _guide("verify.md"),
    "report": _guide("report.md"),
    "push": _guide("push.md"),
    "benchmark": "[performance](../explanation/performance.md)",
    "submit": _guide("cluster.md"),
    "ui": _guide("mlflow.md"),
}

INTRODUCTION = """
`gluetune COMMAND --help` lists the flags of a command, `gluetune --version` prints the version. A flag may be written
with `_` for `-`. Of a flag given twice the last one counts. [Exit codes](exit-codes.md) says what
a command returns. The column *default* says what holds where neither the flag nor the job file sets the key.
"""

NOTES = """
## Names of runs

A run without a name (`--name`, or `name` in the job file) is named after its job file and the time
(`glue_all-20260131-093000`); without a job file after its only task, if that is one of your own, else `tune` or
`pretrain`. A second one in the same second ends in `-2`; in a bucket, which has no locks, all end in random letters.

`NAME`, `FIRST`, `SECOND` and `OTHER` are names of runs in `--storage-path`, by default `runs`, or their folders by path
or URI. `list`, `show`, `trials`, `compare` and `report` read the folders of the runs alone: without Ray and MLflow,
also while another process runs a search, and from any machine that reaches the folder or bucket.

## MODEL

`evaluate`, `predict`, `export --onnx` and `push` take a trained model as an argument:

| MODEL | model |
|---|---|
| `runs/first/winners/cola` | a `save_pretrained` folder, by path or URI |
| `first/cola`, `runs/first/cola` | the winner of a task, by its run's name or folder |
| `first` | the winner of a run with one winner |
| `models:/gluetune-cola@champion` | a model in MLflow (not for `export`) |

The MLflow store is that of `MLFLOW_TRACKING_URI`, else the one in `--storage-path`.

## Recorded runs

`list` and `show` print the state of a run:

| state | meaning |
|---|---|
| `running` | a process has the lock of the run's folder |
| `complete` | all trials are done; of a pre-training run, the encoder is saved |
| `out_of_time` | the time budget ended it; `--resume` continues it |
| `out_of_budget` | its [budget](../how-to/budgets.md) is spent; `--resume` with a larger one continues it |
| `interrupted` | it was stopped, an error ended it, or it was killed; `--resume` continues it |
| `failed` | no trial could be evaluated; a pre-training run diverged, ran out of memory or failed |
| `unfinished` | of a bucket, which has no locks: it runs or was killed; `show` says when the last event was recorded |
| `unreadable` | a file of its folder is missing, damaged or of a newer version; the message says which |
"""
