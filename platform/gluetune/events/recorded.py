"""Files that a run wrote about itself, read again by a later process."""

from __future__ import annotations

from gluetune.errors import StorageError
from gluetune.storage import Storage

NEW_RUN_HINT = "start a new run under another name, or delete the run's folder"


def read_run_file(storage: Storage, file: str) -> bytes | None:
    """A file that a run wrote whole; ``None`` where there is none.

    Args:
        storage: the folder it lies in.
        file: its path in the folder.

    Raises:
        StorageError: it is empty or holds zeros only, as a power cut may leave a file that was not synced.
    """
    data = storage.read(file)
    if data is not None and not data.strip(b"\0 \t\r\n"):
        raise StorageError(
            f"{storage.uri(file)} is empty ({len(data)} bytes), as a power cut may leave it: the run "
            f"cannot go on; put the file back (MLflow keeps a copy of a search's job.yaml among its "
            f"artifacts), or {NEW_RUN_HINT}"
        )
    return data
