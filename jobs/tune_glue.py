"""Searches hyperparameters for fine-tuning an encoder on GLUE tasks.

gluetune tune --config jobs/quickstart.yaml
ray job submit -- python jobs/tune_glue.py --help
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("tune"))
