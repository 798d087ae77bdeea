"""Sphinx: MyST pages, autodoc of NumPy-style docstrings, a gallery that is run, furo."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # so small examples gain nothing by more
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import spectral_losses

project = "spectral-losses"
author = "The spectral-losses developers"
project_copyright = author
release = spectral_losses.__version__
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "local_math",
    "loss_table",
    "short_names",
]
exclude_patterns = ["_build", "gallery"]
myst_enable_extensions = ["attrs_block", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # `radial_spectrum` in a docstring is a link
add_module_names = False
autodoc_typehints = "none"  # the docstrings say more than the annotations
autosummary_generate = False  # the tables alone; pages are written by hand
autodoc_member_order = "bysource"
# Large, and of no use here but for their names.
autodoc_mock_imports = ["keras", "lightning", "torchmetrics", "transformers"]
napoleon_google_docstring = False
napoleon_use_param = False  # parameters that share a description stay together
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery_settings.order",
    "reset_modules": ("matplotlib", "gallery_settings.prepare"),
    "reset_modules_order": "both",
    "abort_on_example_error": True,
    "capture_repr": (),
    "thumbnail_size": (600, 420),
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 600,  # seconds: how long a run took on some machine says nothing
    "write_computation_times": False,
}

html_theme = "furo"
pygments_dark_style = "monokai"  # furo's own underlines the names of modules, as if they were links
html_title = f"spectral-losses {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
