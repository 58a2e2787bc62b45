"""`lyncpy probe WHAT`: does what a real client does at a server, and says how it went, for whatever watches over it."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lyncpy.app.probes.device import ProbeSession
from lyncpy.app.probes.keys import ProbeScheme
from lyncpy.app.probes.network import SocketNetwork
from lyncpy.app.probes.outcome import (
    ProbeFailed,
    ProbeOutcome,
    ProbeStatus,
    ProbeTerms,
    judged,
    nagios_line,
    prometheus,
)
from lyncpy.app.probes.stories import STORIES, ProbeAccount, ProbePlan
from lyncpy.contracts.secret_file import SecretForOthers, given_secret
from lyncpy.core.timers import host_monotonic

PASSWORD: Final = "LYNCPY_PROBE_PASSWORD"  # noqa: S105 - the name of a variable
PEER_PASSWORD: Final = "LYNCPY_PROBE_PEER_PASSWORD"  # noqa: S105 - as above
SIP_PORT: Final = 5061
HTTPS_PORT: Final = 443
TIMEOUT_S: Final = 10.0
CERTIFICATE_DAYS: Final = 14.0


def declare(words: Any, wall: Callable[[], float]) -> None:  # Any: argparse has no public name for it
    """Add the command to the command line."""
    text = "do what a client does at a server, and say how it went, as a plug-in of Nagios does"
    whats = words.add_parser("probe", help=text).add_subparsers(required=True, metavar="WHAT")
    for what, (does, _, _) in STORIES.items():
        command = whats.add_parser(what, help=does)
        port = HTTPS_PORT if what == "web" else SIP_PORT
        _add_place(command, port)
        _add_people(command, what)
        _add_terms(command)
        command.set_defaults(run=_run, what=what, usual_port=port, wall=wall)


def _add_place(command: argparse.ArgumentParser, port: int) -> None:
    """Let it be told where the server is, and how it is known."""
    text = f"the port is {port} when left out"
    command.add_argument("--server", required=True, metavar="HOST[:PORT]", help=text)
    text = "that the server's certificate has to have; that of --server when left out"
    command.add_argument("--name", default="", help=text)
    text = "the authorities that are trusted, in PEM; those of the system when left out"
    command.add_argument("--ca", type=Path, metavar="FILE", help=text)


def _add_people(command: argparse.ArgumentParser, what: str) -> None:
    """Let it be told who signs in."""
    command.add_argument("--user", default="", metavar="ADDRESS", help="who signs in, as probe@example.com")
    text = "the name that the password is of, as EXAMPLE\\probe; the address when left out"
    command.add_argument("--login", default="", help=text)
    schemes = [one.value for one in ProbeScheme]
    text = (
        "how they prove themselves: ntlm when left out; tls-dsk gets a web ticket and a certificate first, as newer clients do; "
        "kerberos shows a ticket of `kinit`; auto: with a password what the server offers first, else kerberos"
    )
    command.add_argument("--scheme", choices=schemes, default=schemes[0], help=text)
    text = "where their Kerberos tickets are, as FILE:/run/probe/krb5cc; $KRB5CCNAME when left out"
    command.add_argument("--ticket-cache", default="", metavar="CACHE", help=text)
    text = f"its first line is the password; ${PASSWORD} when left out"
    command.add_argument("--password-file", type=Path, metavar="FILE", help=text)
    if what in ("presence", "im"):
        command.add_argument("--peer", default="", metavar="ADDRESS", help="the other of two")
        text = f"its first line is theirs; ${PEER_PASSWORD} when left out"
        command.add_argument("--peer-password-file", type=Path, metavar="FILE", help=text)
        command.add_argument(
            "--peer-ticket-cache", default="", metavar="CACHE", help="where their Kerberos tickets are"
        )
    if what == "directory":
        command.add_argument("--search", default="", metavar="TEXT", help="whom to look for; the user when left out")


def _add_terms(command: argparse.ArgumentParser) -> None:
    """Let it be told what is too slow, and where to say it."""
    for name, text in (
        ("timeout", "that each answer may take; 10 when left out"),
        ("warning", "a warning when all of it takes longer"),
        ("critical", "critical when all of it takes longer"),
    ):
        usual = TIMEOUT_S if name == "timeout" else None
        command.add_argument(f"--{name}", type=_seconds, default=usual, metavar="SECONDS", help=text)
    text = "a warning when the certificate ends sooner; 14 when left out"
    command.add_argument("--certificate-days", type=float, default=CERTIFICATE_DAYS, metavar="DAYS", help=text)
    text = 'write samples into this file of a textfile collector, too; "-": here, in place of the line'
    command.add_argument("--prometheus", type=Path, metavar="FILE", help=text)


def _run(options: argparse.Namespace) -> int:
    """Probe, and say how it went; the status is that of a plug-in."""
    terms = ProbeTerms(options.warning, options.critical, options.certificate_days)
    outcome = probed(options)
    status, _ = judged(outcome, terms)
    if str(options.prometheus) == "-":
        sys.stdout.write(prometheus(outcome, terms))
        return int(status)
    if options.prometheus is not None:
        try:
            _write(options.prometheus, prometheus(outcome, terms))
        except OSError as error:
            words = f"{options.prometheus} cannot be written: {error.strerror}"
            outcome = ProbeOutcome(outcome.probe, outcome.server, words, failed=ProbeStatus.UNKNOWN)
            status = ProbeStatus.UNKNOWN
    sys.stdout.write(nagios_line(outcome, terms))
    return int(status)


def probed(options: argparse.Namespace) -> ProbeOutcome:
    """Do what the words say; whatever fails is an outcome."""
    _, story, named = STORIES[options.what]
    session: ProbeSession | None = None
    network: SocketNetwork | None = None
    try:
        plan = _plan(options)
        for one in named:
            if not getattr(options, one):
                raise ProbeFailed(f"--{one} is missing", f"name an address with --{one}", ProbeStatus.UNKNOWN)
        network = SocketNetwork(options.timeout, options.ca, options.name, options.wall)
        session = ProbeSession(network, host_monotonic, options.timeout, options.what)
        words, remedy, failed = story(session, plan, options.wall), "", ProbeStatus.OK
    except ProbeFailed as error:
        words, remedy, failed = error.words, error.remedy, error.status
    finally:
        if session is not None:
            session.close()
    steps = session.steps if session is not None else ()
    left = network.certificate_s if network is not None else None
    return ProbeOutcome(options.what, options.server, words, steps, failed, remedy, left)


def _plan(options: argparse.Namespace) -> ProbePlan:
    scheme, peer = ProbeScheme(options.scheme), getattr(options, "peer", "")
    password = _password(options.password_file, PASSWORD, scheme) if options.user else ""
    account = _account(options.user, password, options.login, options.ticket_cache)
    theirs = _password(getattr(options, "peer_password_file", None), PEER_PASSWORD, scheme) if peer else ""
    other = _account(peer, theirs, "", getattr(options, "peer_ticket_cache", ""))
    search = getattr(options, "search", "")
    return ProbePlan(_place(options.server, options.usual_port), account, other, search, scheme, options.name)


def _account(address: str, password: str, login: str, cache: str) -> ProbeAccount | None:
    """Give who signs in; None: nobody is named. Raises ProbeFailed."""
    if not address:
        return None
    if "@" not in address.strip("@"):
        raise ProbeFailed(f'"{address[:80]}" is no address', "write it as alice@example.com", ProbeStatus.UNKNOWN)
    return ProbeAccount(address.removeprefix("sip:"), password, login, cache)


def _password(file: Path | None, variable: str, scheme: ProbeScheme) -> str:
    """Read a password, if the scheme has one; raises ProbeFailed."""
    if scheme is ProbeScheme.KERBEROS:
        return ""
    if file is None:
        found = os.environ.get(variable, "")
        if not found and scheme is not ProbeScheme.AUTO:
            words = f"name a file with it, or set ${variable}; or show a ticket with --scheme kerberos"
            raise ProbeFailed("there is no password", words, ProbeStatus.UNKNOWN)
        return found
    try:
        with given_secret(file) as lines:
            return lines.readline(4096).decode("utf-8-sig").rstrip("\r\n")
    except SecretForOthers:
        raise ProbeFailed(f"others can read {file}", f"chmod 600 {file}", ProbeStatus.UNKNOWN) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ProbeFailed(
            f"{file} cannot be read: {why}", "name a file with the password", ProbeStatus.UNKNOWN
        ) from None


def _place(text: str, usual: int) -> tuple[str, int]:
    """Read HOST, HOST:PORT or [ADDRESS]:PORT; raises ProbeFailed."""
    host, port = text, str(usual)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not host or not (port.isdecimal() and 0 < int(port[:6]) < 65_536):
        raise ProbeFailed(
            f'--server "{text[:80]}" is no HOST:PORT', "write it as sip.example.com:5061", ProbeStatus.UNKNOWN
        )
    return host, int(port)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= 3600:
            return float(text)
    raise argparse.ArgumentTypeError(f'"{text[:80]}" is no number of seconds from 0 to 3600')


def _write(file: Path, text: str) -> None:
    """Write a file at once: a collector must not read half of it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
