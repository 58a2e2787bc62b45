"""The media engine: a program beside the server that moves sound, and what the two say to one another.

`model` is that language and its ends, pure. `program` stands on GStreamer and libnice.
"""
