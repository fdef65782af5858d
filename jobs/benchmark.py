"""Measures gluetune beside what people run today, in one run on one machine.

python jobs/benchmark.py --only 1,4 --repeat 3 --json figures.json
make submit JOB=jobs/benchmark.py ARGS=--help
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("benchmark"))
