Packages bring man pages (lyncpy(1), lyncpyctl(1), lyncpy.toml(5)) and completion for bash and zsh; where `LYNCPY_CONFIG` is set, commands take the settings from there if none are named.
