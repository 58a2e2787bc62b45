`audit` finds what was done by whom, with which command and when: `--by WHO`, `--command WORDS`, `--until WHEN`. `archive verify` says at a terminal how far it is.
