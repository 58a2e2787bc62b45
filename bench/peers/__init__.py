"""Other servers beside lyncpy: how each is started, and a client of its own kind."""
