"""Files as streams of bytes: decompressed, with their text encoding, and with the line of a byte that is not text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from gluetune.data.records import detect_non_text_format
from gluetune.errors import DataError

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""File endings after which a file is decompressed as it is read."""

_CHUNK_BYTES = 1 << 20
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def data_suffix(file: Path) -> str:
    """Return the ending that names the format, in lower case: ``.csv`` for ``train.csv.gz``."""
    name = file.with_suffix("") if file.suffix.lower() in COMPRESSIONS else file
    return name.suffix.lower()


@contextmanager
def open_bytes(file: Path) -> Iterator[Any]:
    """Open a file and decompress it by its ending.

    Raises:
        DataError: the file cannot be read, or its compressed content is damaged.
    """
    try:
        with _open(file) as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"the compressed file must be whole, but got {error}", file) from error
    except OSError as error:
        raise DataError(f"the file must be readable, but got {error.strerror or error}", file) from error


def _open(file: Path) -> Any:
    suffix = file.suffix.lower()
    if suffix == ".gz":
        return gzip.open(file, "rb")
    if suffix == ".bz2":
        return bz2.open(file, "rb")
    if suffix == ".xz":
        return lzma.open(file, "rb")
    if suffix == ".zst":
        return pa.CompressedInputStream(pa.OSFile(str(file)), "zstd")
    return _only_member(file) if suffix == ".zip" else file.open("rb")


def _only_member(file: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise DataError(f"a zip archive must hold one file, but holds {len(names)}", file)
    return archive.open(names[0])


def text_encoding(file: Path) -> str:
    """Return the encoding of a text file: ``utf-8-sig``, or ``utf-16`` where it begins with that byte order mark.

    Raises:
        DataError: the file cannot be read, is empty, or does not begin like text.
    """
    with open_bytes(file) as stream:
        start = bytes(stream.read(_CHUNK_BYTES // 1024))
    if not start.strip(codecs.BOM_UTF8 + b" \r\n\t"):
        with open_bytes(file) as stream:
            if not any(chunk.strip(codecs.BOM_UTF8 + b" \r\n\t") for chunk in iter(lambda: stream.read(1 << 16), b"")):
                raise DataError("the file must hold rows, but is empty", file)
    if start.startswith(_UTF_16):
        return "utf-16"
    if kind := detect_non_text_format(start):
        raise DataError(f"the file must be text, but is {kind}", file)
    return "utf-8-sig"


@contextmanager
def open_text(file: Path, encoding: str, newline: str, errors: str = "strict") -> Iterator[io.TextIOWrapper]:
    r"""Open a file as text, without changing its line ends.

    Args:
        file: the file.
        encoding: what `text_encoding` returned.
        newline: ``"\n"`` if lines end there only, ``""`` if they end at ``\r`` too, as in `open`.
        errors: what happens to bytes that are not text, as in `open`.

    Raises:
        DataError: the file cannot be read, or is not text of this encoding; names the line.
    """
    try:
        with open_bytes(file) as stream, io.TextIOWrapper(stream, encoding, errors, newline) as text:
            yield text
    except UnicodeDecodeError as error:
        raise undecodable(file, encoding) from error


def undecodable(file: Path, encoding: str) -> DataError:
    """Find the first byte that is no text of the encoding, and return the error that names its line."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with open_bytes(file) as stream:
        for raw in stream:  # lines, except that UTF-16's end one byte later
            try:
                decoder.decode(raw)
            except UnicodeDecodeError as error:
                byte = f"byte 0x{error.object[error.start]:02x}"
                return _not_text(encoding, byte, error.reason, file, line)
            line += 1
    return _not_text(encoding, "a part of a character at its end", "unexpected end of data", file, max(1, line - 1))


def _not_text(encoding: str, byte: str, reason: str, file: Path, line: int) -> DataError:
    name = "UTF-16" if encoding == "utf-16" else "UTF-8"
    hint = "; `iconv -f cp1252 -t utf-8` converts text of older Windows programs" if name == "UTF-8" else ""
    return DataError(f"text must be {name}, but got {byte} ({reason}){hint}", file, line)
