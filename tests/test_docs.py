"""What the documents refer to is there, and a decision is known by its number."""

import re
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DECISIONS = ROOT / "docs" / "decisions"
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def test_every_link_between_documents_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
    assert len(pages) > 20
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in _LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_a_decision_has_a_number_of_its_own_and_says_it_in_its_title() -> None:
    files = sorted(DECISIONS.glob("*.md"))
    numbers = Counter(file.name[:4] for file in files)
    assert [number for number, count in numbers.items() if count > 1] == []
    for file in files:
        assert file.read_text().startswith(f"# {int(file.name[:4])}. "), file.name


def test_every_link_to_a_heading_leads_to_one() -> None:
    """The names are GitHub's, which the site has as well."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    links = [
        (page, (page.parent / file).resolve() if file else page, name)
        for page in pages
        for file, name in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text())
    ]
    assert len(links) > 20
    broken = [
        f"{page.relative_to(ROOT)}: {file.name}#{name}"
        for page, file, name in links
        if name not in headings(file)
    ]
    assert broken == []


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


def test_what_belongs_to_an_item_of_a_list_is_indented_by_four() -> None:
    """GitHub takes less; on the site a paragraph or a block of code would end the list."""
    folders = ("*.md", "docs/**/*.md", "bench/*.md", "loadtest/*.md")
    pages = [page for folder in folders for page in ROOT.glob(folder)]
    found = [
        f"{page.relative_to(ROOT)}: {line.strip()}"
        for page in pages
        for line in re.findall(r"\n\n {1,3}\S.*", page.read_text())
    ]
    assert found == []


def test_every_page_is_in_the_navigation_of_the_documentation_site() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = {
        page
        for section in navigation
        for pages in section.values()
        for page in ([pages] if isinstance(pages, str) else pages)
    }
    pages = {page.name for page in ROOT.glob("docs/*.md")}
    assert len(pages) > 10
    assert pages - listed == set(), "name them in mkdocs.yml"


def test_the_api_page_lists_every_kind_of_problem_that_the_servers_answer() -> None:
    source = ROOT / "src" / "orderflow"
    rooms = [source / "web", source / "orders" / "http"]
    texts = [file.read_text() for room in rooms for file in sorted(room.rglob("*.py"))]
    kinds = {kind for text in texts for kind in re.findall(r'kind="([a-z-]+)"|\d{3}: \("([a-z-]+)"', text)}
    named = {one or other for one, other in kinds}
    assert {"illegal-transition", "not-found"} < named
    page = (ROOT / "docs" / "api.md").read_text()
    assert [kind for kind in sorted(named) if f"`{kind}`" not in page] == []
