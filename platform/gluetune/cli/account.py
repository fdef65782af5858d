"""The user's account, where the system does not know it: a container that runs as ``--user 12345``."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def complete_account() -> None:
    """Sets ``USER`` and ``HOME`` where they are neither set nor known, for libraries that insist on them.

    The home folder is then ``gluetune-home-UID`` in the temporary folder, or a new one where another user has that.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = _new_home()


def _new_home() -> str:
    folder = Path(tempfile.gettempdir()) / f"gluetune-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
            return str(folder)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="gluetune-home-")
