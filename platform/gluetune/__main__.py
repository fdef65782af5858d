"""``python -m gluetune``: the command ``gluetune`` of this interpreter."""

import sys

from gluetune.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
