"""The shell's `certificates`: all that this server shows, trusts and has issued."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lyncpy.app.certificate_doctor import key_words, subject_words
from lyncpy.app.check import trusted_files
from lyncpy.app.config import Config
from lyncpy.app.followed_files import InThread
from lyncpy.app.schemes import Credentials
from lyncpy.contracts.answers import Shown, form
from lyncpy.contracts.names import bare
from lyncpy.contracts.regular_file import read_regular
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, Flag, ShellCommand, Table
from lyncpy.core.timestamps import moment
from lyncpy.wire.certificate import names_in
from lyncpy.workloads.webservices.people_certificates import HeldCertificate

COLUMNS: Final = ("what", "names", "subject", "issuer", "key", "from", "until", "sha256", "chain", "where")
SHOWN_OF_BUNDLE: Final = 10
"""Of a file of trusted authorities no more are listed: a system's has some 140."""

Row = tuple[object, ...]


class KnowsIssued(Protocol):
    """Knows what was issued to people's devices."""

    async def authority(self) -> x509.Certificate | None:
        """Give the certificate of the authority; None: there is none yet."""

    async def all_issued(self, *, with_states: bool) -> Sequence[HeldCertificate]:
        """Give all, those of one person together."""


class CertificatesCommand:
    """Lists certificates.

    Args:
        config: Where the files are.
        credentials: Of this server's connections as they are now; None: there are none with TLS.
        people: What was issued to people.
        in_thread: Where files are read.
        timers: The clock.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials | None,
        people: KnowsIssued,
        in_thread: InThread,
        timers: ITimers,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._people = people
        self._in_thread = in_thread
        self._timers = timers

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        issued = Flag("issued", "also each certificate that devices of people have")
        return (
            ShellCommand(
                "certificates",
                "The certificates that this server shows and trusts, and the authority of those that devices sign in with.",
                self.shown,
                flags=(issued,),
                reach=CommandReach.EVERYWHERE,
                form=form(
                    "what names:text* subject issuer key from:time until:time sha256 chain:text* where", counts="issued"
                ),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List them: those in use as they are in memory, others as their files have them now."""
        rows = [*self._in_use(), *await self._in_thread(lambda: list(self._in_files()))]
        authority = await self._people.authority()
        if authority is not None:
            rows.append(_row("authority for people's devices", authority, (), "the store"))
        is_listed = "issued" in asked.flags
        held = await self._people.all_issued(with_states=is_listed)
        if is_listed:
            name = "" if authority is None else authority.subject.rfc4514_string()
            for one in held:
                who = "nobody any more" if one.aor is None else bare(one.aor)
                times = (moment(one.issued), moment(one.until))
                whose = f"a device of {who}: {one.state}"
                rows.append(("issued", _list([who]), one.device, name, "RSA", *times, one.digest, _list([]), whose))
        good = sum(one.is_good for one in held)
        note = f"{good} of {len(held)} certificates of people's devices are {'good' if is_listed else 'in their time'}"
        return Table(COLUMNS, rows, note=note, counts={"issued": len(held)})

    def _in_use(self) -> Iterator[Row]:
        if self._credentials is None:
            return
        config, first = self._config, self._credentials()
        web = " and web" if config.https_port else ""
        where = f"[sip] certificate: {config.path(config.sections.sip.certificate)}"
        for one in (first, *first.also):
            yield _row(f"SIP{web}", one.certificate, one.chain, where)
        issuers = dict.fromkeys(issuer for one in (first, *first.also) for issuer in one.chain)
        behind = f"behind it, or [sip] chain: {config.path(config.sections.sip.chain)}"
        for issuer in issuers:
            yield _row("issuer", issuer, (), behind if config.sections.sip.chain else "behind it in its file")

    def _in_files(self) -> Iterator[Row]:
        """Read the files of authorities; in a thread."""
        own = self._config.home / "ca.pem"
        for setting, file in (("the private authority of `lyncpy init`", own), *trusted_files(self._config)):
            found = _read(file)
            for one in found[:SHOWN_OF_BUNDLE]:
                yield _row("authority", one, (), f"{setting}: {file}")
            if len(found) > SHOWN_OF_BUNDLE:
                yield _more(found, f"{setting}: {file}")


def _read(file: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(read_regular(file))
    except (OSError, ValueError):
        return ()  # who needs it says so, among the conditions


def _more(found: Sequence[x509.Certificate], where: str) -> Row:
    rest = found[SHOWN_OF_BUNDLE:]
    begin = max(one.not_valid_before_utc for one in rest)
    end = min(one.not_valid_after_utc for one in rest)
    return ("authority", _list([]), f"{len(rest)} more", "", "", _time(begin), _time(end), "", _list([]), where)


def _row(what: str, one: x509.Certificate, chain: Sequence[x509.Certificate], where: str) -> Row:
    return (
        what,
        _list(names_in(one)),
        subject_words(one),
        one.issuer.rfc4514_string(),
        key_words(one.public_key()),
        _time(one.not_valid_before_utc),
        _time(one.not_valid_after_utc),
        one.fingerprint(hashes.SHA256()).hex(),
        _list([issuer.subject.rfc4514_string() for issuer in chain]),
        where,
    )


def _list(values: Sequence[str]) -> Shown:
    return Shown(", ".join(values), tuple(values))


def _time(at: datetime) -> str:
    return moment(at.timestamp())
