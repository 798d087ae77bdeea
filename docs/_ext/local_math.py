"""MathJax from an installed package, copied into the site, so that formulas need no network."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

FILES = {"es5/tex-svg.js": "tex-svg.js", "LICENSE": "LICENSE"}  # glyphs are in the script; it loads no other file
HERE = "mathjax"  # below _static


def setup(app: Sphinx) -> dict[str, Any]:
    """Let pages load that copy."""
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = f"{HERE}/tex-svg.js"
    # The menu would ask for files that were not copied.
    app.config.mathjax3_config = {"options": {"enableMenu": False}, "svg": {"scale": 0.93}}
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy(app: Sphinx, exception: Exception | None) -> None:
    """Put MathJax where pages look for it."""
    if exception is not None or app.builder.format != "html":
        return
    package = find_spec("mathjax")
    if package is None or package.origin is None:
        raise ExtensionError("formulas need MathJax from PyPI: pip install django-static-mathjax")
    source, target = Path(package.origin).parent / "static" / "mathjax", Path(app.outdir) / "_static" / HERE
    target.mkdir(parents=True, exist_ok=True)
    for name, copied in FILES.items():
        shutil.copyfile(source / name, target / copied)
