"""Draw the package from its imports: ``python tests/draw_house.py`` writes docs/figures/house.svg.

Rooms are the files and folders of the package with the files inside them, floors those that `tests/test_imports.py`
holds them to. An arrow points to what a room imports; one that follows from two others is left out.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent / "support"))

from house import CHECKOUT, FLOORS, arrows, files_of, rooms

PICTURE = CHECKOUT / "docs" / "figures" / "house.svg"
WIDTH, MARGIN, GAP, BETWEEN = 1180, 40, 18, 46  # of the page, around it, between rooms, between floors
LINE, LETTER = 15, 6.3  # height of a line, width of a letter
COLOURS = ("#e8eef7", "#e3f1ec", "#f3f0df", "#f8e9dc", "#f6e1e4", "#efe4f3", "#e6e6ef", "#ececec")


class Box(NamedTuple):
    """Where a room is drawn."""

    x: float
    y: float
    width: float
    height: float
    lines: list[str]


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw())
    print(f"{PICTURE.relative_to(CHECKOUT)}: {len(rooms())} rooms on {len(FLOORS)} floors")


def draw() -> str:
    """The picture as SVG."""
    boxes = lay_out()
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    style = (
        "text{font-family:sans-serif;fill:#222}.room{font-size:14px;font-weight:600}.file{font-size:11px;fill:#555}"
        ".floor{font-size:11px;fill:#999}path{fill:none;stroke:#7a8594;stroke-width:1.1}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        "<title>Rooms of the package by floor; arrows point to what a room imports</title>",
        f"<style>{style}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8" style="fill:#7a8594;stroke:none"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>',
    ]
    parts += [_arrow(boxes[a], boxes[b], place) for a, b, place in _drawn()]
    for number, floor in enumerate(FLOORS):
        y = boxes[floor[0]].y
        parts.append(f'<text class="floor" x="8" y="{y + 18:.0f}">{number}</text>')
        parts += [_room(name, boxes[name], COLOURS[number % len(COLOURS)]) for name in floor]
    return "\n".join([*parts, "</svg>", ""])


def lay_out() -> dict[str, Box]:
    """The boxes, the highest floor on top; rooms share the width of their floor by the files that they hold."""
    boxes, y = {}, float(MARGIN)
    known = rooms()
    for floor in reversed(FLOORS):
        names = {name: _files(known[name]) for name in floor}
        shares = {name: 6.0 + sum(len(file) + 2 for file in files) ** 0.75 for name, files in names.items()}
        free, x, tallest = WIDTH - 2 * MARGIN - GAP * (len(floor) - 1), float(MARGIN), 0.0
        for name, files in names.items():
            width = free * shares[name] / sum(shares.values())
            lines = textwrap.wrap(", ".join(files), max(12, int((width - 20) / LETTER)))
            boxes[name] = Box(x, y, width, 30 + LINE * len(lines), lines)
            x, tallest = x + width + GAP, max(tallest, boxes[name].height)
        for name in floor:
            boxes[name] = boxes[name]._replace(height=tallest)
        y += tallest + BETWEEN
    return boxes


def _files(room: Path) -> list[str]:
    """What to call the files of a folder, its own folders as one word each."""
    if room.is_file():
        return []
    top = [path.relative_to(room).parts for path in files_of(room)]
    names = [parts[0].removesuffix(".py") + ("/" if len(parts) > 1 else "") for parts in top]
    return list(dict.fromkeys(name for name in names if name != "__init__"))


def _drawn() -> list[tuple[str, str, float]]:
    """The arrows that do not follow from others, each with its place along the upper room's edge, from 0 to 1."""
    targets = {room: set().union(*arrows(room).values()) - {room} for room in rooms()}
    reach: dict[str, set[str]] = {}
    for floor in FLOORS:
        for room in floor:
            reach[room] = set().union(targets[room], *(reach[other] for other in targets[room]))
    found = []
    for room, others in targets.items():
        direct = sorted(others - set().union(*(reach[other] for other in others)))
        found += [(room, other, (i + 1) / (len(direct) + 1)) for i, other in enumerate(direct)]
    return found


def _arrow(a: Box, b: Box, place: float) -> str:
    x, y = a.x + a.width * place, a.y + a.height
    # Where an arrow arrives depends on where it comes from, so that several do not end in one point.
    to, end = b.x + b.width * (0.15 + 0.7 * x / WIDTH), b.y
    bend = max(20.0, (end - y) / 2)
    path = f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {to:.0f} {end - bend:.0f} {to:.0f} {end:.0f}"
    return f'<path d="{path}" marker-end="url(#tip)"/>'


def _room(name: str, box: Box, colour: str) -> str:
    title = {"backends": "spectral_losses_backends", "__init__": "spectral_losses"}.get(name, name)
    rows = [
        f'<text class="file" x="{box.x + 10:.0f}" y="{box.y + 36 + LINE * i:.0f}">{line}</text>'
        for i, line in enumerate(box.lines)
    ]
    frame = f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}"'
    return "\n".join(
        [
            f'{frame} rx="6" fill="{colour}" stroke="#9aa5b1"/>',
            f'<text class="room" x="{box.x + 10:.0f}" y="{box.y + 19:.0f}">{title}</text>',
            *rows,
        ]
    )


if __name__ == "__main__":
    main()
