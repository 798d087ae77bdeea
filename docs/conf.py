"""Sphinx: MyST pages, autodoc of NumPy-style docstrings, furo."""

import spectral_losses

project = "spectral-losses"
author = "The spectral-losses developers"
project_copyright = author
release = spectral_losses.__version__
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # `radial_spectrum` in a docstring is a link
add_module_names = False
autodoc_typehints = "none"  # the docstrings say more than the annotations
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False  # parameters that share a description stay together
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"spectral-losses {release}"
html_copy_source = False
