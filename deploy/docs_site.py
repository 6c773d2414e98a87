"""What mkdocs does not do by itself, for `make docs`.

README.md is the first page; decisions and runbooks have a list; files outside docs/ that a page links to
are on the site; headings have the names that GitHub gives them; and a page that would load something from
another host fails the build.
"""

# mkdocs has an environment of its own, so its types are unknown to the one that checks ours.
# pyright: basic, reportMissingImports=false

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INDEX = "index.md"
LISTED = {DOCS / "decisions": "Decisions", DOCS / "runbooks": "Runbooks"}
"""Folders whose pages are in a list of their own instead of the navigation, by their titles."""
OUTSIDE = "project"
"""The folder of the site that has what is not in docs/."""
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)#:\s]+)((?:#[^)]*)?)\)")
_LOADED = re.compile(
    r"<(?:script|img|iframe|link rel=.?(?:stylesheet|preconnect|icon))\b[^>]*(?:https?:)?//[^>]*>"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Headings get the names that GitHub gives them, so that a link to one works in both places."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/, and what they and the others link to."""
    for folder, title in LISTED.items():
        pages = {
            page.name: page.read_text().splitlines()[0].removeprefix("# ") for page in folder.glob("*.md")
        }
        lines = "".join(f"- [{pages[name]}]({name})\n" for name in sorted(pages))
        files.append(File.generated(config, _place(folder), content=f"# {title}\n\n{lines}"))
    waiting = [ROOT / "README.md", *DOCS.rglob("*.md")]
    files.append(File.generated(config, INDEX, content=waiting[0].read_text()))
    added = {waiting[0]}
    while waiting:
        for found in _targets(waiting.pop()):
            if DOCS in found.parents or found in added or found.is_dir():
                continue
            added.add(found)
            files.append(File.generated(config, _place(found), abs_src_path=str(found)))
            if found.suffix == ".md":
                waiting.append(found)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Have links lead to where the files are on the site, where a link to a folder is only its text."""
    place = page.file.src_uri
    if place in {_place(folder) for folder in LISTED}:
        return markdown
    source = _source(place)

    def replaced(match: re.Match[str]) -> str:
        found = _target(source, match[2])
        if found.is_dir() and found not in LISTED:
            return match[1]
        return f"[{match[1]}]({os.path.relpath(_place(found), Path(place).parent)}{match[3]})"

    return _LINK.sub(replaced, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """A reader's browser asks only the host that has the site."""
    if found := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from another host: {found[0]}")
    return output


def _targets(source: Path) -> Iterator[Path]:
    return (_target(source, link) for _, link, _ in _LINK.findall(source.read_text()))


def _target(source: Path, link: str) -> Path:
    found = (source.parent / link).resolve()
    if not found.exists():
        raise PluginError(f"{source.relative_to(ROOT)} links to {link}, which is not there")
    return found


def _place(found: Path) -> str:
    """Where the file, or the list of a folder's pages, is on the site."""
    if found == ROOT / "README.md":
        return INDEX
    if found in LISTED:
        return f"{found.relative_to(DOCS).as_posix()}/{INDEX}"
    if DOCS in found.parents:
        return found.relative_to(DOCS).as_posix()
    return f"{OUTSIDE}/{found.relative_to(ROOT).as_posix()}"


def _source(place: str) -> Path:
    if place == INDEX:
        return ROOT / "README.md"
    if place.startswith(f"{OUTSIDE}/"):
        return ROOT / place.removeprefix(f"{OUTSIDE}/")
    return DOCS / place
