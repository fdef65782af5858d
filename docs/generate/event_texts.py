"""What ``docs/reference/events.md`` says beside the fields: the journal's files, and lines of recorded runs."""

from __future__ import annotations

INTRODUCTION = """
The journal of a run is the files `journal/*.jsonl` in its folder, in the order of their names. The first line of a file
is `{"schema_version": VERSION}`, the version of the events; each other line is one event, as strict JSON with its name
under `event`. A new field with a default does not change the version.
[Versions](../explanation/reliability.md#versions-of-the-journal-and-the-job-file) says which versions are read.

Scores and losses alone may be infinite or undefined; they are then the texts `"Infinity"`, `"-Infinity"` and `"NaN"`.
"""

EXAMPLES = {
    "session_started": """
{"time":1796020938.067058,"event":"session_started","held_since":1796020936.2921512,"lanes":2,"workers_per_lane":1,"cpus_per_worker":1.0,"gpus_per_worker":0.0}
""",
    "evaluated": """
{"time":1796020980.5343344,"number":0,"lane":"lane-d8db22","idle_seconds_before":null,"worker_deaths":0,"index":1,"step":45,"total_steps":180,"epoch":1.0,"learning_rate":0.0002518518518518518,"train_seconds":30.0457886170002,"eval_seconds":0.4896886430005907,"precision":"fp32","steps_per_epoch":45,"score":0.8828533152745627,"metrics":{"f1_macro":0.8828533152745627,"accuracy":0.8875,"balanced_accuracy":0.8855360325948561,"f1_weighted":0.887736855383771,"precision_macro":0.8817310094952524,"precision_weighted":0.8892014930034984,"recall_macro":0.8855360325948561,"recall_weighted":0.8875,"matthews_correlation":0.8449244060475162,"roc_auc":0.9716170278730221,"average_precision":0.9146956469888823,"log_loss":0.41958130201261934,"brier":0.20009780479811873},"eval_loss":0.41958131790161135,"eval_examples":80,"train_loss":0.7747333786553807,"train_accuracy":0.7472222222222222,"train_examples":720,"train_tokens":12355,"trainable_parameters":22714756,"total_parameters":22714756,"event":"evaluated"}
""",
    "ended": """
{"time":1796021070.682585,"number":0,"event":"ended","status":"finished","message":""}
""",
    "seed_scored": """
{"time":1796020508.6905057,"number":1,"event":"seed_scored","scores":{"validation":{"matthews_correlation":0.0,"accuracy":0.6912751677852349}},"rows":{"validation":1043},"selection_scores":{"matthews_correlation":0.0,"accuracy":0.704093567251462},"thresholds":{},"outputs":"outputs/cola-0001.npz"}
""",
    "session_ended": """
{"time":1796021191.0807936,"event":"session_ended","status":"complete"}
""",
}
