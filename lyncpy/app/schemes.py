"""The schemes by which clients prove themselves over SIP, in the order in which they are offered."""

from lyncpy.app.config import Config
from lyncpy.app.hall import PlatformParts
from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.contracts.authenticator import IAuthenticator


def schemes(config: Config, base: PlatformParts) -> tuple[IAuthenticator, ...]:
    """Build them. A client takes the first that it can use, or the one that it is told to use."""
    return (_ntlm(config, base),)


def _ntlm(config: Config, base: PlatformParts) -> NtlmAuthenticator:
    sip, tables = config.sections.sip, base.tables
    return NtlmAuthenticator(
        tables.people, tables.secrets, config.sections.auth, sip.server_name, sip.domain, base.timers
    )
