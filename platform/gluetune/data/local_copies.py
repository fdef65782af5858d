"""Datasets loaded by the ``datasets`` library, with a cache of its own for each state of a local copy.

The ``datasets`` library keys its cache by a folder's settings, not by its files: of two copies of a repository, or of
one before and after an edit, the second would be answered with the rows of the first.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from gluetune.errors import DataError

_FOLDER = "gluetune-local-copies"
_CHUNK = 1 << 20  # bytes


def load_dataset_split(
    dataset: str, name: str | None, split: str, *, cache_dir: str | None, place: str, hint: str
) -> Any:
    """Loads one split by the library.

    Args:
        dataset: name on the hub, or a local folder.
        name: its configuration.
        split: the split.
        cache_dir: as for `local_copy_cache_dir`.
        place: what messages call it.
        hint: what helps where the hub cannot be reached.

    Returns:
        A ``datasets.Dataset``.

    Raises:
        DataError: it cannot be loaded, for whatever reason the library has.
    """
    import datasets  # slow to import, and most jobs have no use for it

    try:
        return datasets.load_dataset(dataset, name, split=split, cache_dir=local_copy_cache_dir(dataset, cache_dir))
    except DataError:
        raise
    except Exception as error:  # a broken README is a YAML error, a broken CSV one of pandas
        if Path(dataset).is_dir():
            raise DataError(
                f"the datasets library must be able to load the local copy, but could not ({_reason(error)})", place
            ) from error
        raise DataError(
            "the dataset must be in the cache or within reach, but loading it failed "
            f"({type(error).__name__}: {error}); {hint}",
            place,
        ) from error


def _reason(error: BaseException) -> str:
    """The error that others were raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def local_copy_cache_dir(dataset: str, cache_dir: str | None) -> str | None:
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

    return str(Path(cache_dir or config.HF_DATASETS_CACHE).expanduser() / _FOLDER / folder_fingerprint(folder)[:32])


def folder_fingerprint(folder: Path) -> str:
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
