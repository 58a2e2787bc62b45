"""The doorkeeper: the only room that knows everyone.

`tap` is what twistd loads, `config` reads lyncpy.toml, `assembly` builds the house,
`cli` is the console command, `commands` what it can do, `home` makes a folder that a server can start from, `check`
looks at everything before a start.
"""
