"""Bytes of the web services to values and back."""
