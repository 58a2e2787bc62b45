"""The pure part of traces: what a message says of itself, what concerns a trace, entries, the ladder and the forms of export."""
