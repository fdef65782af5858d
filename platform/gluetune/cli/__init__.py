"""The command line: `gluetune` and the scripts in ``jobs/``. `gluetune.cli.commands` lists the commands."""
