"""Times and memory of this library beside bare transforms, the loop over bins that it replaces, and its peers.

Everything is measured in one process, the candidates of a framework in turn, in another order in each round; the
import and the scheduler alone in processes of their own. Printed are medians with their quartiles, ratios of medians,
and extra peak memory. What is not installed, raises or gives wrong numbers is listed with the reason.
``pip install -e '.[benchmark]'`` and ``pip install --no-deps the_well`` install all that can be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# JAX would otherwise take most of a graphics card for itself.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import parts
import processes
import scaling
import stages
import training
from measure import Effort
from parts import Setting
from report import FRAMEWORKS, Section, between, machine, text_of, write
from timing import reason

DOCS = Path(__file__).parents[2] / "docs"
PARTS: dict[str, Callable[[Setting], Section]] = {
    "spectra": parts.spectra,
    "forward": parts.forward,
    "gradient": parts.gradient,
    "profile": stages.profile,
    "memory": parts.memory,
    "scaling": scaling.scaling,
    "training": training.training,
    "import": processes.importing,
    "scheduler": processes.scheduler,
}
ONCE = ("profile", "import", "scheduler")  # no matter on which device
PAGES = {"scheduler": "scheduler.md"}


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="tests/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few and small stacks, few rounds: to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--device", nargs="+", choices=["cpu", "cuda"], help="by default all that there are")
    parser.add_argument("--rounds", type=int, help="calls of each candidate at most (default 41, 3 with --quick)")
    parser.add_argument("--markdown", action="store_true", help="print tables of Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number to a file")
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=DOCS,
        metavar="DOCS",
        help="write tables and charts into the documentation",
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore")  # peers warn at every call, of things that concern no time
    rounds = args.rounds or (3 if args.quick else 41)
    effort = Effort(rounds, 0.1 if args.quick else 0.6)
    todo = plan(args.only or list(PARTS), [Setting(args.quick, effort, device) for device in args.device or devices()])
    if args.write:
        for name, part, _ in todo:  # before minutes of work, rather than after
            between(page(part, args.write).read_text(encoding="utf-8"), name, "")
    sections = []
    for name, part, setting in todo:
        section = run(name, part, setting)
        sections.append(section)
        print(f"== {name} ==\n\n{text_of(section, args.markdown)}", flush=True)
        if args.write:
            publish(section, page(part, args.write), rounds)
    print(machine())
    if args.json:
        found: dict[str, Any] = {section.name: section.data for section in sections}
        args.json.write_text(json.dumps({"machine": machine(), "parts": found}, indent=1), encoding="utf-8")


def plan(names: Sequence[str], settings: Sequence[Setting]) -> list[tuple[str, str, Setting]]:
    """Name of the section, part and setting of all that is to be measured."""
    return [
        (name if name in ONCE else name + setting.where, name, setting)
        for setting in settings
        for name in names
        if name not in ONCE or setting is settings[0]
    ]


def run(name: str, part: str, setting: Setting) -> Section:
    """One part, or why there is none."""
    try:
        return PARTS[part](setting)
    except ModuleNotFoundError as error:
        return Section(name, [], {"reason": reason(error)})


def page(part: str, docs: Path) -> Path:
    """The page that shows a part."""
    return docs / PAGES.get(part, "performance.md")


def publish(section: Section, shown: Path, rounds: int) -> None:
    """Write a section, and its chart, between its markers."""
    text = f"On {machine(FRAMEWORKS)}; at most {rounds} rounds.\n\n{text_of(section, markdown=True)}"
    if section.draw is not None:
        name = f"performance-{section.name.replace(' on ', '-')}.png"
        section.draw(shown.parent / "figures" / name)
        text += f"\n![The times of {section.name}, drawn](figures/{name})\n"
    write(shown, section.name, text)


def devices() -> list[str]:
    """The processor, and CUDA where PyTorch finds it."""
    try:
        import torch
    except ModuleNotFoundError:
        return ["cpu"]
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


if __name__ == "__main__":
    main()
