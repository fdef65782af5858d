"""``make reference`` (``python docs/generate``): write the pages of ``docs/reference`` that are generated from code."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "platform"), str(ROOT)]
    from pages import write_pages

    write_pages()
