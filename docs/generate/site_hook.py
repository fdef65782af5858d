"""Hook of MkDocs: links that leave ``docs/``, docstrings on the page of the Python API, and a search without network.

On GitHub a page's link to ``../../jobs/glue_all.yaml`` leads to that file. The site has a copy of each file that a page
links to, under ``repository/``, so that it works without a network too.
"""

from __future__ import annotations

import logging
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parents[2]
COPIES = "repository"
API_PAGE = "reference/api.md"
_SHIM, _SHIM_COPY = "https://unpkg.com/iframe-worker/shim", "javascripts/iframe-worker.js"
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^\| `(\w+)` \| (?:class|function) \|", re.MULTILINE)
_logger = logging.getLogger("mkdocs.plugins.gluetune")
_linked: set[str] = set()


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of a page that leave ``docs/``, and add the docstrings to the page of the Python API."""
    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: _rewritten(link, page), part) for part in parts[::2]]
    text = "".join(parts)
    if page.file.src_uri == API_PAGE:
        text += "".join(f"\n\n::: gluetune.{name}\n" for name in _NAME.findall(text))
    return text


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Take the script that the search needs in a folder from the site, where Material names another server."""
    return output.replace(_SHIM, get_relative_url(_SHIM_COPY, page.url))


def on_post_build(*, config: Any) -> None:
    """Copy the files that pages link to into the site."""
    for path in sorted(_linked):
        copy = Path(config["site_dir"]) / COPIES / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy)


def _rewritten(link: re.Match[str], page: Any) -> str:
    text, target = link[1], link[2]
    if "://" in target or target.startswith(("#", "mailto:", "/")):
        return link[0]
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target.partition("#")[0]))
    if path == "docs" or path.startswith("docs/"):
        return link[0]  # MkDocs checks these
    if not (ROOT / path).exists():
        _logger.warning("%s links to %s, which the repository does not have", page.file.src_uri, path)
        return link[0]
    if (ROOT / path).is_dir():
        return text  # a folder has no page
    _linked.add(path)
    return f'<a href="{get_relative_url(f"{COPIES}/{path}", page.url)}">{text}</a>'
