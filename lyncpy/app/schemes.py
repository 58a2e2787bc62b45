"""The schemes by which clients prove themselves over SIP, in the order in which they are offered."""

from lyncpy.app.backends import Backends
from lyncpy.app.config import Config
from lyncpy.app.hall import PlatformParts
from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.kerberos import KerberosAuthenticator
from lyncpy.contracts.authenticator import IAuthenticator


def schemes(config: Config, back: Backends, base: PlatformParts) -> tuple[IAuthenticator, ...]:
    """Build them. A client takes the first that it can use, or the one that it is told to use."""
    kerberos = (_kerberos(config, back, base),) if back.tickets is not None else ()
    return (*kerberos, _ntlm(config, base))


def _kerberos(config: Config, back: Backends, base: PlatformParts) -> KerberosAuthenticator:
    assert back.tickets is not None  # asked before
    auth, name = config.sections.auth, config.sections.sip.server_name
    return KerberosAuthenticator(back.tickets, base.tables.people, auth, name, base.timers)


def _ntlm(config: Config, base: PlatformParts) -> NtlmAuthenticator:
    sip, tables = config.sections.sip, base.tables
    return NtlmAuthenticator(
        tables.people, tables.secrets, config.sections.auth, sip.server_name, sip.domain, base.timers
    )
