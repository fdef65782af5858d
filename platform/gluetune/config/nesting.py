"""How deeply input may nest: counted here, so that no parser has to run into Python's recursion limit.

That limit belongs to the process, not to the input: libraries raise it on import, and how much of it is used up
depends on the caller. A depth that the reader counts gives the same answer everywhere.
"""

from __future__ import annotations

import re

MAX_DEPTH = 100  # far above any job file or data row, far below what Python's default recursion limit (1,000) carries
TOO_DEEP = f"must not be nested deeper than {MAX_DEPTH} levels"
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def json_too_deep(text: str) -> bool:
    """Returns whether a JSON text nests more than `MAX_DEPTH` arrays and objects.

    Brackets inside strings do not count. Texts with few brackets, which is all but all of them, are only counted.

    Example:
        >>> json_too_deep('{"a": "[[["}'), json_too_deep("[" * 200 + "]" * 200)
        (False, True)
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            return True
    return False
