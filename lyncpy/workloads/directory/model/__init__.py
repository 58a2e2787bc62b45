"""The rules of the directory: what a pull changes, and whom a search finds. Pure."""
