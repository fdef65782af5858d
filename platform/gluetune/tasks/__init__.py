"""The tasks of GLUE and SNLI, and their metrics (`gluetune.tasks.metrics`, which imports scikit-learn)."""

from gluetune.tasks.table import TASKS, FileLayout, Task, get_task

__all__ = ["TASKS", "FileLayout", "Task", "get_task"]
