"""A folder, local or in a bucket. Searches write all their files through it.

File systems are those of ``pyarrow.fs`` (local, ``s3://``, ``gs://``, ``hdfs://``), which Ray uses as well.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gluetune.errors import StorageError
from gluetune.storage.durable import absolute, move, replace_folder, replaced, write_file

CHUNK = 1 << 22  # bytes that are copied at a time


class Storage:
    """A folder by path or URI; two are equal if their URIs are.

    Args:
        uri: a local path, or ``s3://bucket/folder``, ``gs://…``, ``file:///…``.

    Raises:
        StorageError: the URI has an unknown scheme, or its bucket cannot be reached.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri if "://" in uri else str(absolute(Path(uri).expanduser()))
        self._connect()

    def _connect(self) -> None:
        from pyarrow import ArrowException
        from pyarrow.fs import FileSystem

        try:
            self._files, self._root = FileSystem.from_uri(self._uri)
        except OSError as error:  # pyarrow requests a bucket's region here
            raise StorageError(f"cannot reach {self._uri}: {error}") from error
        except (ArrowException, ValueError) as error:
            raise StorageError(
                f"storage must be a local folder or an s3://, gs:// or hdfs:// URI, but got {self._uri!r} ({error})"
            ) from error

        if self.local:
            self._uri = str(self._root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Storage) and self.uri().rstrip("/") == other.uri().rstrip("/")

    def __hash__(self) -> int:
        return hash(self.uri().rstrip("/"))

    def __getstate__(self) -> dict[str, Any]:
        return {"_uri": self._uri}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._uri = state["_uri"]
        self._connect()

    @property
    def local(self) -> bool:
        """Whether the folder is on this machine's file system."""
        return bool(self._files.type_name == "local")

    def uri(self, path: str = "") -> str:
        """Return the full path or URI of a file or folder in this one."""
        return f"{self._uri.rstrip('/')}/{path}" if path else self._uri

    def sub(self, path: str) -> Storage:
        """Return a subfolder."""
        return Storage(self.uri(path))

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write a file atomically: readers never see half of it, and a later power cut does not lose it.

        In a bucket the object is replaced once the store has confirmed the whole upload (S3 and Google Cloud Storage
        guarantee this). HDFS rewrites the file in place.

        Raises:
            StorageError: the folder cannot be written.
        """
        with self._storage_errors("write", path):
            if self.local:
                write_file(Path(self._full_path(path)), data)
                return
            target = self._full_path(path)
            self._files.create_dir(os.path.dirname(target), recursive=True)
            with self._files.open_output_stream(target) as stream:  # object stores show it once it is complete
                stream.write(data)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; ``None`` where there is no such file."""
        with self._storage_errors("read", path):
            try:
                with self._files.open_input_stream(self._full_path(path)) as stream:
                    data: bytes = stream.read()
                    return data
            except FileNotFoundError:
                return None

    def exists(self, path: str = "") -> bool:
        """Whether a file or folder exists."""
        from pyarrow.fs import FileType

        with self._storage_errors("reach", path):
            return bool(self._files.get_file_info(self._full_path(path)).type != FileType.NotFound)

    def delete(self, path: str) -> None:
        """Delete a file or a whole folder; a missing one is fine."""
        from pyarrow.fs import FileType

        with self._storage_errors("delete", path):
            kind = self._files.get_file_info(self._full_path(path)).type
            if kind == FileType.Directory:
                self._files.delete_dir(self._full_path(path))
            elif kind == FileType.File:
                self._files.delete_file(self._full_path(path))

    def list(self, path: str = "") -> list[str]:
        """Return the names in a folder, sorted; empty where there is no such folder."""
        from pyarrow.fs import FileSelector

        with self._storage_errors("list", path):
            entries = self._files.get_file_info(FileSelector(self._full_path(path), allow_not_found=True))
            return sorted(entry.base_name for entry in entries)

    def move(self, path: str, target: str) -> None:
        """Move a file or folder inside this one; missing parents of ``target`` are created.

        In a bucket it is copied, and deleted once the copy is complete.
        """
        from pyarrow.fs import FileType, copy_files

        with self._storage_errors("move", path):
            if self.local:
                move(Path(self._full_path(path)), Path(self._full_path(target)))
                return
            self._files.create_dir(os.path.dirname(self._full_path(target)), recursive=True)
            if self._files.get_file_info(self._full_path(path)).type == FileType.Directory:
                copy_files(
                    self._full_path(path),
                    self._full_path(target),
                    source_filesystem=self._files,
                    destination_filesystem=self._files,
                    use_threads=False,
                )
                self._files.delete_dir(self._full_path(path))
            else:
                self._files.move(self._full_path(path), self._full_path(target))

    def put(self, file: str | Path, path: str) -> None:
        """Copy a local file into this folder atomically, without reading it into memory.

        Raises:
            StorageError: the copy cannot be written.
        """
        with self._storage_errors("write", path), open(file, "rb") as source:
            if self.local:
                with replaced(Path(self._full_path(path))) as local:
                    shutil.copyfileobj(source, local, CHUNK)
                return
            self._files.create_dir(os.path.dirname(self._full_path(path)), recursive=True)
            with self._files.open_output_stream(self._full_path(path)) as remote:
                shutil.copyfileobj(source, remote, CHUNK)

    def fetch(self, path: str, file: str | Path) -> bool:
        """Copy a file of this folder to a local file atomically, without reading it into memory.

        Returns:
            Whether there is such a file.

        Raises:
            StorageError: the file cannot be read, or the copy cannot be written.
        """
        with self._storage_errors("copy", path):
            try:
                source = self._files.open_input_stream(self._full_path(path))
            except FileNotFoundError:
                return False
            with source, replaced(Path(file).absolute()) as copy:
                shutil.copyfileobj(source, copy, CHUNK)
            return True

    def upload(self, folder: str | Path, path: str) -> None:
        """Copy a local folder into this one, replacing an existing one; on a local file system atomically, and synced.

        In a bucket the existing folder is deleted first, so that no reader can mix its files with the new ones.

        Raises:
            StorageError: the copy cannot be written.
        """
        from pyarrow.fs import LocalFileSystem, copy_files

        if self.local:
            with self._storage_errors("write", path):
                replace_folder(Path(folder), Path(self._full_path(path)))
            return
        self.delete(path)
        with self._storage_errors("write", path):
            self._files.create_dir(self._full_path(path), recursive=True)
            copy_files(
                str(folder),
                self._full_path(path),
                source_filesystem=LocalFileSystem(),
                destination_filesystem=self._files,
                use_threads=False,
            )

    def download(self, path: str, folder: str | Path) -> None:
        """Copy a subfolder to a local folder."""
        from pyarrow.fs import LocalFileSystem, copy_files

        Path(folder).mkdir(parents=True, exist_ok=True)
        with self._storage_errors("copy", path):
            copy_files(
                self._full_path(path),
                str(folder),
                source_filesystem=self._files,
                destination_filesystem=LocalFileSystem(),
                use_threads=False,
            )

    @contextmanager
    def _storage_errors(self, action: str, path: str) -> Iterator[None]:
        """Convert a file system's errors to `StorageError`."""
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot {action} {self.uri(path)}: {error}") from error

    def _full_path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root


def folder_and_name(path: str | Path) -> tuple[Storage, str]:
    """Split a file's path or URI into its folder and its name."""
    folder, slash, name = str(path).rpartition("/")
    return Storage(folder or slash or "."), name
