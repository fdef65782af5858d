"""Turns the winners of finished runs into a submission to the GLUE benchmark's server.

python jobs/export_submission.py --run quickstart --fill-missing --output submission.zip
"""

import sys

from gluetune.supervisor import supervised

if __name__ == "__main__":
    sys.exit(supervised("gluetune.cli.export:main"))
