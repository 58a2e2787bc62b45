"""`lyncpy doctor WHAT FILE`: what was asked and what came back, what keeps clients from working, and how to mend it."""

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from lyncpy.app import dns_command
from lyncpy.app.arguments import add_file
from lyncpy.app.certificate_doctor import certificate_story
from lyncpy.app.clock_doctor import clock_story
from lyncpy.app.config import Config, load
from lyncpy.app.directory_doctor import ldap_story, user_story
from lyncpy.app.findings import tell
from lyncpy.app.kerberos_doctor import SystemNames, kerberos_findings
from lyncpy.app.site_doctor import SystemWeb, site_findings
from lyncpy.app.store_doctor import store_story
from lyncpy.contracts.finding import Finding
from lyncpy.core.timers import host_clock

Story = Callable[[Config, argparse.Namespace], Iterator[Finding]]


def _now() -> datetime:
    return datetime.fromtimestamp(host_clock(), UTC)


def _site(config: Config, options: argparse.Namespace) -> Iterator[Finding]:
    return site_findings(config, SystemNames(), SystemWeb(config.path(config.sections.sip.certificate)))


DOCTORS: Final[dict[str, tuple[str, Story]]] = {
    "kerberos": (
        "look at SPN, keytab, key versions, encryption, clock, DNS and names; ask the KDC for a ticket",
        lambda config, options: kerberos_findings(config, SystemNames()),
    ),
    "site": ("ask all that clients ask over HTTPS, by the names that they are told, while the server runs", _site),
    "ldap": (
        "reach each LDAP server, bind, search, and show what is made of the first entries",
        lambda config, options: ldap_story(config, _now()),
    ),
    "user": (
        "look for a person in the directories and the database, and show what is made of their entry and kept of them",
        lambda config, options: user_story(config, options.address, _now()),
    ),
    "certificate": (
        "show each certificate with its key, names, dates and issuers, and which of them a running server shows",
        lambda config, options: certificate_story(config, _now()),
    ),
    "clock": (
        "compare the clock of this machine with that of others, and with what was written down by it",
        lambda config, options: clock_story(config, _now()),
    ),
    "store": (
        "read the whole database, and show what is in it and who works with it",
        lambda config, options: store_story(config),
    ),
}


def declare(words: Any) -> None:  # Any: argparse has no public name for it
    """Add the command to the command line."""
    doctor = words.add_parser("doctor", help="say what was asked and what came back, what is wrong and how to mend it")
    whats = doctor.add_subparsers(required=True, metavar="WHAT")
    for what, (text, story) in DOCTORS.items():
        command = whats.add_parser(what, help=text)
        add_file(command)
        if what == "user":
            command.add_argument("address", metavar="ADDRESS", help="as alice@example.com, or a login")
        command.set_defaults(run=_run, story=story)
    text = "ask all that clients ask DNS, of each domain: show each record that they need, and what comes back to each question"
    dns_command.declare(whats, text, asks_all=True)


def _run(options: argparse.Namespace) -> int:
    story: Story = options.story
    return tell(story(load(options.file, options.set), options))
