"""The command line of ``jobs/tune_glue.py``."""

from gluetune.cli.main import main

__all__ = ["main"]
