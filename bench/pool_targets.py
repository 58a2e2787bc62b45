"""What is compared of a pool, and what it should cost."""

from typing import Final

STANDARD: Final = "Standard"
SAME: Final = "same node"
ACROSS: Final = "across nodes"
DATABASE: Final = "PostgreSQL"
BUS: Final = "NATS"

COUNTS: Final = {
    "told": "messages to NATS",
    "heard": "messages from NATS",
    "heard_bytes": "bytes from NATS",
    "statements": "statements",
    "log_bytes": "bytes of PostgreSQL's log",
}
"""What is counted for each operation."""

ENDPOINTS: Final = 12_654
"""Of a Front End of Lync's, with 6,660 users."""

SAME_MOST: Final = 1.15
ACROSS_MOST: Final = 2.0
"""Of what the same costs in one server: with both users at one node, and across two."""

THROUGHPUT_LEAST: Final = 1.5
"""Users whom two processes serve on two cores, PostgreSQL and NATS included, for each whom one does."""

OPERATIONS: Final = (
    ("message", "an IM and its 200"),
    ("publication-0", "a publication that nobody watches"),
    ("publication-10", "a publication to 10 watchers"),
    ("watcher", "each further watcher"),
    ("sign-in", "a sign-in with 40 contacts"),
    ("copy-10", "a conference copy with its answer, of 10"),
)
"""The second and third are not judged: what they have more is what a durable write costs."""
