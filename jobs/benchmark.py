"""Measures gluetune beside what people run today, in one run on one machine.

gluetune benchmark --only 1,4 --repeat 3 --json figures.json
make submit COMMAND=benchmark ARGS="--only 3"
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("benchmark"))
