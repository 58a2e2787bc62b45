"""Sphinx's configuration; scripts/docs says where everything is."""

import os

from lyncpy import __version__

project = "lyncpy"
author = "the lyncpy authors"
copyright = "2026, the lyncpy authors"  # noqa: A001 - Sphinx's own name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.intersphinx"]
root_doc = "index"
exclude_patterns = ["files"]
nitpicky = True

# A link to a heading is that heading in lower case with hyphens, as on every code host.
myst_heading_anchors = 3

intersphinx_mapping = {"api": ("api", os.environ["LYNCPY_API_OBJECTS"])}

html_theme = "furo"
html_title = f"lyncpy {__version__}"
html_show_sphinx = False
html_copy_source = False
