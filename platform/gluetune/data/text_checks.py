"""What no text may be: bytes of another kind of file, or code points that no encoding can write."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_BEGINNING = 512  # bytes
_KINDS = (
    (b"PK\x03\x04", "a zip archive, as .xlsx and .ods files are"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file, as .xls files are"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"(\xb5/\xfd", "compressed by zstd"),
    (b"%PDF-", "a PDF file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)


def detect_non_text_format(data: bytes) -> str | None:
    """What a file is that is no UTF-8 text, by its first bytes; ``None`` where they look like text.

    Args:
        data: the file's content, or its beginning.
    """
    return next((kind for start, kind in _KINDS if data.startswith(start)), None) or (
        "a binary file: it begins with NUL bytes" if b"\0" in data[:_BEGINNING] else None
    )


def find_lone_surrogate(text: str) -> str | None:
    r"""The first half of a character without its other half, as in ``"\ud800"``; ``None`` where there is none.

    JSON and Python can hold such halves, but they are no characters: no tokenizer takes them and no file can.
    """
    found = None if text.isascii() else _SURROGATE.search(text)
    return None if found is None else f"\\u{ord(found.group()):04x} at character {found.start() + 1}"
