"""`lyncpy doctor WHAT FILE`: what keeps clients from working, and how to mend it."""

from pathlib import Path
from typing import Any

from lyncpy.app import kerberos_doctor, site_doctor


def declare(words: Any) -> None:  # Any: argparse has no public name for it
    """Add the command to the command line."""
    doctor = words.add_parser("doctor", help="say what is wrong and how to mend it")
    whats = doctor.add_subparsers(required=True, metavar="WHAT")
    for what, run, text in (
        (
            "kerberos",
            kerberos_doctor.run,
            "look at SPN, keytab, key versions, encryption, clock, DNS and names; ask the KDC for a ticket",
        ),
        (
            "site",
            site_doctor.run,
            "ask all that clients ask over HTTPS, by the names that they are told, while the server runs",
        ),
    ):
        command = whats.add_parser(what, help=text)
        command.add_argument("file", type=Path, metavar="FILE")
        command.add_argument("--set", action="append", default=[], metavar="section.key=value")
        command.set_defaults(run=run)
