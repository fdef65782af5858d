"""The tasks of GLUE and SNLI, and those of other distributions; metrics are in `gluetune.tasks.metrics`."""

from gluetune.tasks.glue import TASKS, get_task, normal_name, scored_task
from gluetune.tasks.plugins import plugin_names
from gluetune.tasks.task import FileLayout, Task

__all__ = ["TASKS", "FileLayout", "Task", "get_task", "normal_name", "plugin_names", "scored_task"]
