"""One folder, local or in a bucket: every path a search writes is made here.

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
    """A folder by path or URI, which is all that makes two of them equal.

    Args:
        uri: a local path, or ``s3://bucket/folder``, ``gs://…``, ``file:///…``.

    Raises:
        StorageError: the URI is of no known kind.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri if "://" in uri else str(absolute(Path(uri).expanduser()))
        self._connect()

    def _connect(self) -> None:
        from pyarrow import ArrowException
        from pyarrow.fs import FileSystem

        try:
            self._files, self._root = FileSystem.from_uri(self._uri)
        except OSError as error:  # a bucket is asked for its region here
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
        """Whether the folder is on this machine's own file system."""
        return bool(self._files.type_name == "local")

    def uri(self, path: str = "") -> str:
        """The whole path or URI of something in the folder."""
        return f"{self._uri.rstrip('/')}/{path}" if path else self._uri

    def sub(self, path: str) -> Storage:
        """A folder inside this one."""
        return Storage(self.uri(path))

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Writes a file whole or not at all: a reader never sees half of it, and a power cut later does not lose it.

        Raises:
            StorageError: the folder cannot be written.
        """
        with self._telling("write", path):
            if self.local:
                write_file(Path(self._at(path)), data)
                return
            target = self._at(path)
            self._files.create_dir(os.path.dirname(target), recursive=True)
            with self._files.open_output_stream(target) as stream:  # object stores show it once it is complete
                stream.write(data)

    def read(self, path: str) -> bytes | None:
        """A file's bytes, ``None`` where there is none."""
        with self._telling("read", path):
            try:
                with self._files.open_input_stream(self._at(path)) as stream:
                    data: bytes = stream.read()
                    return data
            except FileNotFoundError:
                return None

    def exists(self, path: str = "") -> bool:
        """Whether there is a file or folder."""
        from pyarrow.fs import FileType

        with self._telling("reach", path):
            return bool(self._files.get_file_info(self._at(path)).type != FileType.NotFound)

    def delete(self, path: str) -> None:
        """Deletes a file or a whole folder; a missing one is fine."""
        from pyarrow.fs import FileType

        with self._telling("delete", path):
            kind = self._files.get_file_info(self._at(path)).type
            if kind == FileType.Directory:
                self._files.delete_dir(self._at(path))
            elif kind == FileType.File:
                self._files.delete_file(self._at(path))

    def list(self, path: str = "") -> list[str]:
        """Names in a folder, sorted; empty where there is no such folder."""
        from pyarrow.fs import FileSelector

        with self._telling("list", path):
            entries = self._files.get_file_info(FileSelector(self._at(path), allow_not_found=True))
            return sorted(entry.base_name for entry in entries)

    def move(self, path: str, target: str) -> None:
        """Moves a file or folder inside this one; folders of ``target`` are made where missing.

        In a bucket it is copied, and deleted once the copy is whole.
        """
        from pyarrow.fs import FileType, copy_files

        with self._telling("move", path):
            if self.local:
                move(Path(self._at(path)), Path(self._at(target)))
                return
            self._files.create_dir(os.path.dirname(self._at(target)), recursive=True)
            if self._files.get_file_info(self._at(path)).type == FileType.Directory:
                copy_files(
                    self._at(path),
                    self._at(target),
                    source_filesystem=self._files,
                    destination_filesystem=self._files,
                    use_threads=False,
                )
                self._files.delete_dir(self._at(path))
            else:
                self._files.move(self._at(path), self._at(target))

    def put(self, file: str | Path, path: str) -> None:
        """Copies a local file here, whole or not at all, without reading it into memory.

        Raises:
            StorageError: the copy cannot be written.
        """
        with self._telling("write", path), open(file, "rb") as source:
            if self.local:
                with replaced(Path(self._at(path))) as local:
                    shutil.copyfileobj(source, local, CHUNK)
                return
            self._files.create_dir(os.path.dirname(self._at(path)), recursive=True)
            with self._files.open_output_stream(self._at(path)) as remote:
                shutil.copyfileobj(source, remote, CHUNK)

    def fetch(self, path: str, file: str | Path) -> bool:
        """Copies a file from here to a local one, whole or not at all, without reading it into memory.

        Returns:
            Whether there is such a file.

        Raises:
            StorageError: it cannot be read, or the copy not be written.
        """
        with self._telling("copy", path):
            try:
                source = self._files.open_input_stream(self._at(path))
            except FileNotFoundError:
                return False
            with source, replaced(Path(file).absolute()) as copy:
                shutil.copyfileobj(source, copy, CHUNK)
            return True

    def upload(self, folder: str | Path, path: str) -> None:
        """Copies a local folder here, replacing what was there; on a local file system whole or not at all, and synced.

        Raises:
            StorageError: the copy cannot be written.
        """
        from pyarrow.fs import LocalFileSystem, copy_files

        if self.local:
            with self._telling("write", path):
                replace_folder(Path(folder), Path(self._at(path)))
            return
        self.delete(path)
        with self._telling("write", path):
            self._files.create_dir(self._at(path), recursive=True)
            copy_files(
                str(folder),
                self._at(path),
                source_filesystem=LocalFileSystem(),
                destination_filesystem=self._files,
                use_threads=False,
            )

    def download(self, path: str, folder: str | Path) -> None:
        """Copies a folder from here to a local one."""
        from pyarrow.fs import LocalFileSystem, copy_files

        Path(folder).mkdir(parents=True, exist_ok=True)
        with self._telling("copy", path):
            copy_files(
                self._at(path),
                str(folder),
                source_filesystem=self._files,
                destination_filesystem=LocalFileSystem(),
                use_threads=False,
            )

    @contextmanager
    def _telling(self, action: str, path: str) -> Iterator[None]:
        """Raises a file system's errors as `StorageError`."""
        try:
            yield
        except OSError as error:
            raise StorageError(f"cannot {action} {self.uri(path)}: {error}") from error

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root


def folder_and_name(path: str | Path) -> tuple[Storage, str]:
    """The folder of a file by path or URI, and the file's name in it."""
    folder, slash, name = str(path).rpartition("/")
    return Storage(folder or slash or "."), name
