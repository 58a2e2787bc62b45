"""What builds the documentation site; `scripts/docs` runs it.

`staging` gathers the pages, `reference` writes those that are made from the code, `source` reads the
code without running it, `apidocs` teaches pydoctor how docstrings are written here, and `conf` is
Sphinx's configuration.
"""
