"""Turns the winners of finished runs into a submission to the GLUE benchmark's server.

gluetune export --run quickstart --fill-missing --output submission.zip
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("export"))
