"""The web console: what operators see of a running server in a browser. It only looks.

`tickets` says who may come in, and for how long; `gathered` asks the servers what the shell's commands answer; `charts`, `pages` and
`look` write it down, pure; `service` answers over HTTP.
"""
