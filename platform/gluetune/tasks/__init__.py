"""The tasks of GLUE and SNLI, and their metrics (`gluetune.tasks.metrics`, which imports scikit-learn)."""

from gluetune.tasks.table import TASKS, Table, Task, get_task

__all__ = ["TASKS", "Table", "Task", "get_task"]
