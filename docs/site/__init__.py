"""What builds the documentation site; `scripts/docs` runs it.

`staging` gathers the pages, `reference` writes those that are made from the code, `source` reads the
code without running it, `messages` writes what each sentence of the log and each refusal means, `apidocs` teaches pydoctor how
docstrings are written here, `docstrings` looks at these without it, and `conf` is Sphinx's configuration. `manual` and
`completion` make what packages bring along.
"""
