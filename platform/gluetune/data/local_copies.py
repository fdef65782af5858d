"""A cache of its own for each state of a dataset's local copy.

The ``datasets`` library keys its cache by a folder's settings, not by its files: of two copies of a repository, or of
one before and after an edit, the second would be answered with the rows of the first.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from gluetune.errors import DataError

_FOLDER = "gluetune-local-copies"
_CHUNK = 1 << 20  # bytes


def cache_of(dataset: str, cache_dir: str | None) -> str | None:
    """The cache folder to load a dataset with.

    Args:
        dataset: name on the hub, or a local folder.
        cache_dir: where the library keeps its files; ``None`` for its own default.

    Returns:
        ``cache_dir`` for a name on the hub, whose cache the library keys by commit; for a folder one below it that is
        named by a fingerprint of all files in the folder.

    Raises:
        DataError: a file of the folder cannot be read.
    """
    folder = Path(dataset)
    if not folder.is_dir():
        return cache_dir
    from datasets import config  # slow to import

    return str(Path(cache_dir or config.HF_DATASETS_CACHE).expanduser() / _FOLDER / files_fingerprint(folder)[:32])


def files_fingerprint(folder: Path) -> str:
    """The SHA-256 of names and contents of a folder's files; hidden ones are left out.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        if any(part.startswith(".") for part in name.split("/")):
            continue
        file = folder / name
        try:
            status = file.stat()
            content = _content(str(file), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise DataError(f"the file must be readable, but got {error.strerror}", file) from error
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _content(file: str, size: int, modified: int) -> str:
    """A file's SHA-256; size and time of its last change make it another file."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
