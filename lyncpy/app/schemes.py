"""The schemes by which clients prove themselves over SIP, in the order in which they are offered."""

from collections.abc import Callable
from dataclasses import dataclass

from lyncpy.app.backends import Backends
from lyncpy.app.config import Config
from lyncpy.app.hall import PlatformParts
from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.inner_contexts import InnerContexts
from lyncpy.auth.kerberos import KerberosAuthenticator
from lyncpy.auth.tls_dsk import TlsDskAuthenticator
from lyncpy.contracts.authenticator import IAuthenticator
from lyncpy.contracts.tls import ServerCredentials
from lyncpy.contracts.workload import IUnit
from lyncpy.workloads.webservices.service import WebServices

Credentials = Callable[[], ServerCredentials]
"""Gives the certificate of the server's connections as it is now."""


@dataclass(frozen=True, slots=True)
class Schemes:
    """The schemes of a server."""

    offered: tuple[IAuthenticator, ...]
    """A client takes the first that it can use, or the one that it is told to use."""

    units: tuple[IUnit, ...] = ()
    """What they need before the first client comes."""


def schemes(
    config: Config,
    back: Backends,
    base: PlatformParts,
    webservices: WebServices,
    credentials: Credentials | None,
) -> Schemes:
    """Build them.

    Args:
        credentials: None on a server without a certificate, which offers none of its own either.
    """
    kerberos = (_kerberos(config, back, base),) if back.tickets is not None else ()
    tls_dsk = _tls_dsk(config, back, base, webservices, credentials)
    return Schemes((*tls_dsk.offered, *kerberos, _ntlm(config, back, base)), tls_dsk.units)


def _kerberos(config: Config, back: Backends, base: PlatformParts) -> KerberosAuthenticator:
    assert back.tickets is not None  # asked before
    auth, name = config.sections.auth, config.sections.sip.server_name
    return KerberosAuthenticator(back.tickets, base.tables.people, auth, name, base.timers)


def _tls_dsk(
    config: Config,
    back: Backends,
    base: PlatformParts,
    webservices: WebServices,
    credentials: Credentials | None,
) -> Schemes:
    auth, name, timers = config.sections.auth, config.sections.sip.server_name, base.timers
    place = webservices.certificates_url
    # Without a site nobody could get a certificate, and a client that is offered this asks for nothing else.
    if not auth.tls_dsk or not place or credentials is None:
        return Schemes(())
    contexts = InnerContexts(credentials, back.key_pairs, name, timers)
    certificates = webservices.certificates
    return Schemes(
        (TlsDskAuthenticator(base.tables.people, certificates, contexts, auth, name, place, timers),), (contexts,)
    )


def _ntlm(config: Config, back: Backends, base: PlatformParts) -> NtlmAuthenticator:
    sip, tables = config.sections.sip, base.tables
    return NtlmAuthenticator(
        tables.people, tables.secrets, config.sections.auth, sip.server_name, sip.domain, base.timers, back.ntlm
    )
