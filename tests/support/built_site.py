"""What is wrong with the pages of a built site, found without a browser."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "object": "data", "source": "src", "iframe": "src"}
RELATIONS = {"stylesheet", "icon", "preload", "modulepreload"}  # links of a head that a browser follows by itself


def pages_of(site: Path) -> list[Path]:
    """The pages of a site, without the parts of which a theme makes its own."""
    return sorted(page for page in site.rglob("*.html") if "_static" not in page.relative_to(site).parts)


def problems(site: Path) -> list[str]:
    """A line for each dead link, file that is missing or comes from elsewhere, picture without text, and twofold id."""
    found = {path.resolve(): read(path) for path in pages_of(site)}
    lines = []
    for path, page in found.items():
        said = [f"{what}: no alternative text" for what in page.mute]
        said += [f"{what}: loaded from elsewhere" for what in page.loaded if urlsplit(what).netloc]
        said += [f"#{name}: {times} times" for name, times in Counter(page.ids).items() if times > 1]
        said += [f"{link}: {why}" for link in page.loaded + page.links if (why := dead(link, path, found))]
        lines += [f"{path.relative_to(site.resolve())}: {each}" for each in sorted(set(said))]
    return lines


@dataclass
class Page(HTMLParser):
    """What a page links to, loads and names."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    mute: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        follows = tag != "link" or RELATIONS & set(given.get("rel", "").split())
        if follows and given.get(LOADED.get(tag, ""), ""):
            self.loaded.append(given[LOADED[tag]])
        source = given.get("src", "an image")
        # A thumbnail of the gallery stands beside its title, which is all that it could say.
        if tag == "img" and not given.get("alt", "").strip() and not source.endswith("_thumb.png"):
            self.mute.append(source)


def read(path: Path) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    return page


def dead(link: str, page: Path, found: dict[Path, Page]) -> str | None:
    """Why a link of a page leads nowhere within the site; None where it leads somewhere, or out of it."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in found and anchor not in found[target].ids:
        return "no such anchor"
    return None
