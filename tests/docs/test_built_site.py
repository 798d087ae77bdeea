"""What the check of a built site finds, on small sites with one mistake each."""

from __future__ import annotations

from pathlib import Path

import built_site
import pytest

GOOD = '<a href="other.html#there">x</a><a href="#here" id="here">y</a><img src="a.png" alt="a"><a href="https://a.org">z</a>'


def written(folder: Path, body: str) -> Path:
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>", "utf-8")
    (folder / "other.html").write_text('<html><body><p id="there">x</p></body></html>', "utf-8")
    (folder / "a.png").write_bytes(b"")
    return folder


def test_nothing_is_wrong(tmp_path: Path) -> None:
    assert built_site.problems(written(tmp_path, GOOD)) == []
    assert len(built_site.pages_of(tmp_path)) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="gone.html">x</a>', "gone.html: no such file"),
        ('<a href="folder/">x</a>', "folder/: no such file"),
        ('<a href="other.html#away">x</a>', "other.html#away: no such anchor"),
        ('<a href="#away">x</a>', "#away: no such anchor"),
        ('<img src="a.png">', "a.png: no alternative text"),
        ('<img src="a.png" alt=" ">', "a.png: no alternative text"),
        ('<img src="gone.png" alt="a">', "gone.png: no such file"),
        ('<p id="a"><p id="a">', "#a: 2 times"),
        ('<script src="https://cdn.org/a.js"></script>', "https://cdn.org/a.js: loaded from elsewhere"),
        ('<script src="//cdn.org/a.js"></script>', "//cdn.org/a.js: loaded from elsewhere"),
        ('<link rel="stylesheet" href="https://cdn.org/a.css">', "https://cdn.org/a.css: loaded from elsewhere"),
        ('<link rel="stylesheet" href="gone.css">', "gone.css: no such file"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, body: str, said: str) -> None:
    assert built_site.problems(written(tmp_path, GOOD + body)) == [f"index.html: {said}"]


def test_links_of_a_head_that_are_not_followed_are_left_alone(tmp_path: Path) -> None:
    assert built_site.problems(written(tmp_path, '<link rel="canonical" href="https://a.org/gone.html">')) == []
