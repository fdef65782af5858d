"""The tasks of GLUE and SNLI; their metrics are in `gluetune.tasks.metrics`."""

from gluetune.tasks.glue import TASKS, get_task
from gluetune.tasks.task import FileLayout, Task

__all__ = ["TASKS", "FileLayout", "Task", "get_task"]
