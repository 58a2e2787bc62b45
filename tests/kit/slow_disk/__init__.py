"""A bad disk below a server of a test."""
