"""The zip of a submission: written, and read back against the format's rules."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gluetune.errors import DataError, did_you_mean
from gluetune.inference.submission_files import FILES, HEADER, SubmissionFile
from gluetune.storage import folder_and_name
from gluetune.storage.output_file import write_output

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same predictions give the same bytes


def write_archive(path: str | Path, predictions: Mapping[str, Sequence[str]]) -> bytes:
    """Writes a zip; see `gluetune.storage.output_file` for links and devices.

    Args:
        path: the zip, local or by URI.
        predictions: each file's predictions by its name, spelled, in row order.

    Returns:
        Its bytes.

    Raises:
        StorageError: the zip cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in predictions.items():
            lines = [HEADER, *(f"{row}\t{value}" for row, value in enumerate(values))]
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, "\n".join(lines) + "\n", zipfile.ZIP_DEFLATED)
    write_output(path, packed.getvalue())
    return packed.getvalue()


def check_submission(path: str | Path, official: bool = True) -> dict[str, int]:
    """Reads a submission back against the format's rules.

    The zip holds the eleven files and nothing else; each has the header ``index<TAB>prediction``; ``index`` counts
    rows from 0; predictions are spelled as the file's task is; there is one row per official test row.

    Args:
        path: the zip, local or by URI.
        official: whether the number of rows must be the official one; without, any number of rows will do.

    Returns:
        Rows by file name.

    Raises:
        DataError: the first rule that is broken, with file and line.
    """
    folder, name = folder_and_name(path)
    data = folder.read(name)
    if data is None:
        raise DataError("a submission must be a zip file, but there is none", path)
    return check_archive(data, path, official)


def check_archive(data: bytes, path: str | Path, official: bool = True) -> dict[str, int]:
    """`check_submission` for a zip's bytes; ``path`` is the name that messages use.

    Raises:
        DataError: the first rule that is broken, with file and line.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_names(archive.namelist(), path)
            return {
                file.name: _check_file(file, archive.read(file.name), f"{path}/{file.name}", official) for file in FILES
            }
    except zipfile.BadZipFile as error:
        raise DataError(f"a submission must be a zip file, but it is not: {error}", path) from error


def _check_names(names: Sequence[str], path: str | Path) -> None:
    wanted = [file.name for file in FILES]
    missing = [name for name in wanted if name not in names]
    surplus = [name for name in names if name not in wanted]
    twice = [name for name, count in Counter(names).items() if count > 1]
    got = [
        f"{what} {', '.join(found)}" for what, found in (("no", missing), ("also", surplus), ("twice", twice)) if found
    ]
    if got:
        hint = did_you_mean(surplus[0], wanted) if missing and surplus else ""
        raise DataError(f"the zip must hold {', '.join(wanted)} and nothing else, but got {'; '.join(got)}{hint}", path)


def _check_file(file: SubmissionFile, data: bytes, place: str, official: bool) -> int:
    """The number of rows of a file that breaks no rule."""
    try:
        header, *lines = data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"text must be UTF-8, but is not ({error.reason} at byte {error.start})", place) from error
    if header != HEADER:
        raise DataError(f"the header must be {HEADER!r}, but got {header!r}", place, 1)
    for row, line in enumerate(lines):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(f"a row must have 2 tab-separated columns, but got {len(cells)}", place, row + 2)
        if cells[0] != str(row):
            raise DataError(f"the index must count rows from 0, here {row}, but got {cells[0]!r}", place, row + 2)
        if not file.accepts(cells[1]):
            raise DataError(f"the prediction must be {file.rule}, but got {cells[1]!r}", place, row + 2)
    if not lines or (official and len(lines) != file.rows):
        wanted = f"{file.rows:,} rows, as the official test file does" if official else "rows"
        raise DataError(f"the file must hold {wanted}, but got {len(lines):,}", place)
    return len(lines)
