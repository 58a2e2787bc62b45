"""The server's certificate and key: read, checked, made into a context, replaced while the server runs.

What is wrong with a file is said in one sentence that names the setting, because it is an
operator who has to mend it. Connections keep the context they began with.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.file_stamp import Stamp, stamp_of
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.regular_file import read_regular
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.tls import reason_of
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.wire.certificate_chain import has_signed, in_order, is_of_others
from lyncpy.wire.pem_words import instead
from lyncpy.wire.settings import Settings

TOLD_BEFORE: Final = timedelta(days=30)
"""From when on the end of the certificate is told."""

KEYS_S: Final = 28_800
"""Seconds after which the keys of tickets are replaced: who has them can read what was said in TLS 1.2 with tickets
of that time. A device that comes back later shakes hands in full once, and so it does after a restart: no library that
we stand on lets a process give its keys to the next."""

RENEW: Final = "put the new certificate and its key in place; they are taken up by themselves"

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

MIXED_SINCE: Final = ("1.2", "1.3")
"""Versions in which a certificate may be signed with another kind of key than its own (RFC 4492 §2.2 forbade it)."""

_END_OF_KEY: Final = re.compile(rb"-----END [A-Z ]*PRIVATE KEY-----\s*")

MODERN_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL"
"""Windows of Lync's time has no AES-GCM with RSA certificates for TLS 1.2, so AES-CBC stays, with ECDHE always."""

SUITES: Final = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
"""Of TLS 1.3; all are strong (RFC 8446 §9.1 has every client know the first), and with SHA-256, for which processors have
instructions, a handshake takes us a fourteenth less than with SHA-384."""

OLD_CIPHERS: Final = MODERN_CIPHERS + b":AES128-SHA:AES256-SHA:@SECLEVEL=0"
"""TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL permits at security level 0 only."""

VERSIONS: Final = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}


class CertificateUnusable(Exception):
    """The certificate, its key or its chain cannot be used; the sentence names the setting and what to do."""


@dataclass(frozen=True, slots=True)
class CheckedCredentials:
    """A certificate with its key and the certificates of its issuers, checked against one another, and its like with another kind of key."""

    certificate: x509.Certificate
    private_key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    """Nearest issuer first."""

    also: tuple["CheckedCredentials", ...] = ()
    """Certificates with keys of other kinds, at most one of each: a client is shown the one that it can use, and ECDSA first."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names and addresses the certificate is for, in its order; may be empty."""
        return names_in(self.certificate)

    def covers(self, host: str) -> bool:
        """Tell whether each certificate is for a host name; a `*` stands for the first label."""
        return all(_covers(one.names, host) for one in (self, *self.also))

    @property
    def shown(self) -> tuple[x509.Certificate, ...]:
        """The certificates that clients may be sent: its own, and those of the issuers."""
        return tuple(one for own in (self, *self.also) for one in (own.certificate, *own.chain))

    @property
    def expires(self) -> datetime:
        """The last moment at which clients accept the first of the certificates; `ending` looks at all."""
        return self.certificate.not_valid_after_utc

    @property
    def first_to_end(self) -> x509.Certificate:
        """The certificate that ends before all others.

        An issuer's that clients get with it counts as well: they believe neither without the other.
        """
        return min(self.shown, key=lambda one: one.not_valid_after_utc)

    def ending(self, now: datetime) -> str:
        """Give the sentence about its end, from `TOLD_BEFORE` on; "" earlier."""
        own = [self.certificate, *(other.certificate for other in self.also)]
        first = self.first_to_end
        left = first.not_valid_after_utc - now
        if left >= TOLD_BEFORE:
            return ""
        what = (
            "certificate"
            if any(first is one for one in own)
            else f"certificate: its issuer {first.subject.rfc4514_string()}"
        )
        when = f"{first.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        if left <= timedelta(0):
            return f"[sip] {what} ended on {when}; clients refuse to connect, and the next start is refused"
        days = "today" if left.days == 0 else "in 1 day" if left.days == 1 else f"in {left.days} days"
        return f"[sip] {what} ends {days}, on {when}"

    def doubts(self, server_name: str, now: datetime) -> tuple[str, ...]:
        """Give sentences about what clients may refuse though the server can use it; empty when there is nothing."""
        found = []
        ending = self.ending(now)
        if ending:
            found.append(ending)
        for one in (self, *self.also):
            if not _covers(one.names, server_name):
                found.append(
                    f"[sip] certificate is not for server_name {server_name!r} but for {', '.join(one.names) or 'no name (a common name alone does not count)'};"
                    " clients that connect to that name refuse it: have it issued for that name, or correct server_name"
                )
            if not is_for_servers(one.certificate):
                found.append(
                    "[sip] certificate is not meant for servers (extended key usage serverAuth); clients refuse it: have it issued for servers"
                )
        if not any(_is_known(one.private_key) for one in (self, *self.also)):
            found.append(
                "[sip] certificate: clients of Windows and browsers know no key of its kind: have it issued for RSA, or for ECDSA on P-256 or P-384"
            )
        found += [
            f"[sip] certificate: {name} stands behind it as its issuer, and has not signed it; clients refuse it"
            for name in self.strange_issuers()
        ]
        found += [f"[sip] chain: {said}" for said in self.stray_issuers()]
        return tuple(dict.fromkeys(found))

    def strange_issuers(self) -> tuple[str, ...]:
        """Give the names of issuers that go with it, and have not signed what they stand behind."""
        return tuple(
            issuer.subject.rfc4514_string()
            for own in (self, *self.also)
            for one, issuer in pairwise((own.certificate, *own.chain))
            if one.issuer == issuer.subject and not has_signed(issuer, one)
        )

    def stray_issuers(self) -> tuple[str, ...]:
        """Say for which certificates there are issuers' that have nothing to do with them."""
        return tuple(
            f"the certificate was issued by {own.certificate.issuer.rfc4514_string()}, and what goes with it is of"
            f" {own.chain[0].subject.rfc4514_string()}; clients that do not know the issuer refuse it: put the issuer's"
            " certificate in the place of that one"
            for own in (self, *self.also)
            if is_of_others(own.certificate, own.chain)
        )


def read_credentials(settings: Settings, folder: Path, now: datetime) -> CheckedCredentials:
    """Read and check the files that the settings name.

    Args:
        folder: Where relative paths begin.
        now: The wall clock; a certificate is only used within its time.

    Raises:
        CertificateUnusable: A file is missing, unreadable, no PEM; the key is not the
            certificate's; the certificate has ended or not begun; two keys are of one kind.
    """
    found = _read_certificates("certificate", folder / settings.certificate)
    keys = _read_keys(folder / settings.private_key)
    if settings.chain:
        found += _read_certificates("chain", folder / settings.chain)
    pairs: list[tuple[x509.Certificate, PrivateKey]] = []
    for private_key in keys:
        certificate = next((one for one in found if one.public_key() == private_key.public_key()), None)
        if certificate is None:
            raise CertificateUnusable(
                f"[sip] private_key: {folder / settings.private_key} is not the key of the certificate in"
                f" {folder / settings.certificate}; name the two files that were issued together"
            )
        _check_time(certificate, folder / settings.certificate, now)
        pairs.append((certificate, private_key))
    own = {certificate for certificate, _ in pairs}
    issuers = [one for one in found if one not in own]
    # What else the server proves, within SIP, needs RSA where there is such a key.
    pairs.sort(key=lambda pair: not isinstance(pair[1], RSAPrivateKey))
    first, *others = (CheckedCredentials(one, key, in_order(one, issuers)) for one, key in pairs)
    return replace(first, also=tuple(others))


def _check_time(certificate: x509.Certificate, file: Path, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise CertificateUnusable(
            f"[sip] certificate: {file} ended on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew it"
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateUnusable(
            f"[sip] certificate: {file} begins on {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC;"
            " check the clock of this machine"
        )


def make_context(credentials: CheckedCredentials, tls_minimum: str) -> SSL.Context:
    """Make the context of TLS connections that clients open to us.

    A client that comes back with a ticket (RFC 8446 §4.6.1, RFC 5077), or with the number of a session that is
    in the cache (RFC 5246 §7.3, for Windows without tickets), spares us the signature, the dearest part of a
    handshake. The keys of tickets are OpenSSL's own: they are in memory alone, and end with the context. Early data
    are not taken: they could be played again. Renegotiation is refused: no client needs it, and each costs us
    a signature. One of ECDSA costs a tenth of one of RSA, and is made where there is such a certificate, too, and
    the client can verify it.

    Raises:
        CertificateUnusable: OpenSSL refuses what was read, for instance a key that is too short.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(VERSIONS[tls_minimum])
    context.set_cipher_list(MODERN_CIPHERS if tls_minimum in ("1.2", "1.3") else OLD_CIPHERS)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_tls13_ciphersuites(SUITES)
    # Without a name OpenSSL resumes nothing of clients whose certificate it might have asked for.
    context.set_session_id(b"lyncpy")
    context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    context.set_timeout(KEYS_S)
    # An idle connection gives its 34 KB of record buffers back.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    shown = (credentials, *credentials.also) if tls_minimum in MIXED_SINCE else (credentials,)
    try:
        for one in shown:
            context.use_certificate(one.certificate)
            context.use_privatekey(one.private_key)
            context.check_privatekey()
        # One chain is sent with either certificate: that of both, where they have different issuers.
        for issuer in dict.fromkeys(issuer for one in shown for issuer in one.chain):
            context.add_extra_chain_cert(issuer)
    except SSL.Error as error:
        said = reason_of(error)
        remedy = "; have one issued with an RSA key of 2048 bits or more" if "too small" in said else ""
        raise CertificateUnusable(f"[sip] certificate: OpenSSL cannot use it: {said}{remedy}") from error
    return context


class Certificate:
    """The certificate in use, read at once. New connections take `context`; `reload` replaces it, or leaves it as it was.

    Raises:
        CertificateUnusable: See `read_credentials`.
    """

    log = Logger()

    def __init__(self, settings: Settings, folder: Path, wall: Callable[[], datetime]) -> None:
        self._settings = settings
        self._folder = folder
        self._wall = wall
        self.credentials: CheckedCredentials
        self.context: SSL.Context
        self.stamp: Stamp = ()
        """Of the files when they were read."""

        self.reload()

    def current(self) -> CheckedCredentials:
        """Give the certificate and its key, as of now."""
        return self.credentials

    def ending(self) -> str:
        """Give a sentence when the certificate expires soon; "" while it does not."""
        return self.credentials.ending(self._wall())

    def another_context(self) -> SSL.Context:
        """Make one more context of the certificate in use, for whoever wants more of it."""
        return make_context(self.credentials, self._settings.tls_minimum)

    def renew_keys(self) -> None:
        """Replace the keys of tickets, for connections to come; tickets given until now are good for nothing."""
        self.context = make_context(self.credentials, self._settings.tls_minimum)

    def reload(self) -> tuple[str, ...]:
        """Read the files again; from the next connection on they are used.

        Returns:
            Sentences about what clients may dislike.

        Raises:
            CertificateUnusable: Nothing has changed.
        """
        stamp = self.seen()
        credentials = self.read()
        self.adopt(credentials, stamp)
        return credentials.doubts(self._settings.server_name, self._wall())

    def left_s(self) -> float:
        """Give the seconds until the first of the certificates that clients are shown ends."""
        return (self.credentials.first_to_end.not_valid_after_utc - self._wall()).total_seconds()

    def seen(self) -> Stamp:
        """Look at the files, without reading them; may be done in a thread."""
        names = (self._settings.certificate, self._settings.private_key, self._settings.chain)
        return stamp_of(self._folder / name for name in names if name)

    def read(self) -> CheckedCredentials:
        """Read and check the files; nothing changes. It may be done in a thread.

        Raises:
            CertificateUnusable: See `read_credentials`.
        """
        return read_credentials(self._settings, self._folder, self._wall())

    def adopt(self, credentials: CheckedCredentials, stamp: Stamp) -> None:
        """Use what was read for new connections.

        Args:
            credentials: What `read` gave.
            stamp: Of the files, from before they were read.

        Raises:
            CertificateUnusable: Nothing has changed.
        """
        self.context = make_context(credentials, self._settings.tls_minimum)
        self.credentials, self.stamp = credentials, stamp
        self.log.info(
            "certificate for {names} in use, until {expires}",
            names=", ".join(credentials.names),
            expires=credentials.expires.isoformat(),
        )


@implementer(IUnit)
class CertificateWatch:
    """Tells that the certificate is about to expire, among the conditions of the server and its meters, and has the keys of tickets replaced."""

    name = "certificate"
    log = Logger()

    def __init__(self, certificate: Certificate, timers: ITimers, meter: IMeter) -> None:
        self._certificate = certificate
        self._timers = timers
        self._keys_end: ITimer | None = None
        meter.gauge(
            "lyncpy_wire_certificate_left_seconds",
            "Time until the first of the certificates that clients are shown ends; negative: it has ended.",
            certificate.left_s,
        )

    async def open(self) -> None:
        """Begin."""
        self._keys_end = self._timers.later(KEYS_S, self._renew_keys)

    async def close(self) -> None:
        """Stop."""
        if self._keys_end is not None:
            self._keys_end.cancel()

    def conditions(self) -> tuple[Reason, ...]:
        """Give the present faults of the certificate, for operators."""
        ending = self._certificate.ending()
        return (
            (Reason("certificate", ending, good=False, remedy=RENEW, grave=" ended on " in ending, key="end"),)
            if ending
            else ()
        )

    def _renew_keys(self) -> None:
        self._certificate.renew_keys()
        self._keys_end = self._timers.later(KEYS_S, self._renew_keys)


def _is_known(key: PrivateKey) -> bool:
    """Tell whether clients know a kind of key: RSA, or a curve of NIST."""
    return isinstance(key, RSAPrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    )


def _read(setting: str, path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError:
        leads = f"{path} leads to {os.path.realpath(path)}, which is not there" if path.is_symlink() else ""
        what = leads or f"there is no file {path}"
        raise CertificateUnusable(f"[sip] {setting}: {what}: put it there, or correct {setting}") from None
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}; name a file that the server may read"
        raise CertificateUnusable(f"[sip] {setting}: {why}") from error


def _read_certificates(setting: str, path: Path) -> list[x509.Certificate]:
    data = _read(setting, path)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CertificateUnusable(
            f"[sip] {setting}: {path} holds no certificate in PEM{instead(data, of_key=False)}"
        ) from None


def _read_keys(path: Path) -> Sequence[PrivateKey]:
    """Read the keys of a file, each of another kind."""
    data = _read("private_key", path)
    ends = [found.end() for found in _END_OF_KEY.finditer(data)] or [len(data)]
    keys = [_read_key(path, data[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    if len({type(key) for key in keys}) < len(keys):
        raise CertificateUnusable(f"[sip] private_key: {path} holds two keys of one kind; leave one of each kind there")
    return keys


def _read_key(path: Path, data: bytes) -> PrivateKey:
    try:
        key = _parsed(data)
    except TypeError:
        raise CertificateUnusable(
            f"[sip] private_key: {path} has a passphrase, which nobody could type at start; `openssl pkey -in FILE` writes it without"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateUnusable(
            f"[sip] private_key: {path} holds no private key in PEM{instead(data, of_key=True)}"
        ) from None
    if not isinstance(key, PrivateKey):
        raise CertificateUnusable(f"[sip] private_key: {path} is neither RSA nor ECDSA nor Ed25519")
    return key


@lru_cache(maxsize=4)
def _parsed(data: bytes) -> PrivateKeyTypes:
    """Read a key, once as long as its file has the same bytes: to prove that the numbers of an RSA key are primes takes long."""
    return load_pem_private_key(data, password=None)


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the names and addresses that a certificate is for, in its order; may be empty."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether a certificate is for a host name; a `*` stands for the first label."""
    return _covers(names_in(certificate), host)


def _covers(names: Sequence[str], host: str) -> bool:
    return any(_is_named(host, name) for name in names)


def _is_named(server_name: str, name: str) -> bool:
    """Tell whether a certificate's name covers ours; a `*` stands for the first label."""
    ours, name = server_name.lower(), name.lower()
    return ours == name or (name.startswith("*.") and "." in ours and ours.split(".", 1)[1] == name[2:])


def is_for_servers(certificate: x509.Certificate) -> bool:
    """Tell whether clients take a certificate for a server's."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages
