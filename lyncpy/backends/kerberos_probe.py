"""A ticket for our own service, asked of the KDC: what an operator's look at Kerberos shows to the server itself.

Spec: RFC 4120 §7.5.9 (numbers of errors).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from lyncpy.backends.kerberos import ERRORS

_UNKNOWN_CLIENT: Final = 6
_OLD_KEY: Final = (
    "the KDC has another key for {client} than the keytab: its password or key was changed after the keytab was written. "
    "Write the keytab anew (ktadd, ipa-getkeytab, ktpass)"
)
_WORDS: Final[Mapping[int, str]] = {
    7: "the KDC does not know the service {service}: create it (addprinc, ipa service-add), or give the SPN to its "
    "account: setspn -S {spn} ACCOUNT",
    14: "the KDC has no key of an encryption type that is allowed here: allow AES for the service's account, and write "
    "the keytab anew",
    18: "the KDC has disabled or locked {client}: enable that account",
    23: "the password of {client} has expired at the KDC: set a new one that does not expire, and write the keytab anew",
    24: _OLD_KEY,
    31: _OLD_KEY,
    37: "the clocks of the KDC and of this machine differ too much: let both follow the same time server",
    152: "no KDC is known for the realm of {client}: name one in /etc/krb5.conf, or publish _kerberos._udp in DNS",
    154: "no KDC is known for the realm of {client}: name one in /etc/krb5.conf, or publish _kerberos._udp in DNS",
    156: "no KDC of the realm of {client} answers: see `kdc` in /etc/krb5.conf, and whether port 88 can be reached",
}
_NOBODY: Final = (
    "the KDC gives no ticket to any name of the keytab, so that the service could not be tried; in Active Directory a "
    "service's name alone gets none. Run kinit as anybody, and this again"
)


class NoTicket(Exception):
    """There is no ticket; the sentence says why and how to mend it."""


def ticket_for(gssapi: Any, keytab: Path, principal: str, clients: Iterable[str]) -> bytes:  # Any: of the extra
    """Give a token that shows a ticket for a service, as a client would. Waits for the KDC.

    Args:
        principal: Of the service, with its realm.
        clients: Names in the keytab, one of which asks, unless whoever runs this has tickets of their own.

    Raises:
        ProbeFailed: With a sentence for an operator.
    """
    target = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
    for client in (None, *clients):
        try:
            return _token(gssapi, target, _credentials(gssapi, keytab, client))
        except gssapi.exceptions.GSSError as error:
            number = error.min_code - ERRORS
            if client is None and number not in (7, 37):
                continue  # whoever runs this has no tickets, or none that are good
            if number == _UNKNOWN_CLIENT:
                continue
            words = _WORDS.get(number, "the KDC gives no ticket for {service} to {client}: " + _said(error))
            spn = principal.partition("@")[0]
            raise NoTicket(words.format(client=client or "you", service=principal, spn=spn)) from None
    raise NoTicket(_NOBODY)


def _credentials(gssapi: Any, keytab: Path, client: str | None) -> Any:
    if client is None:
        return gssapi.Credentials(usage="initiate")
    name = gssapi.Name(client, gssapi.NameType.kerberos_principal)
    # A new cache each time: old tickets would show how things were.
    store = {"client_keytab": str(keytab), "ccache": f"MEMORY:lyncpy-{token_hex(8)}"}
    return gssapi.Credentials(name=name, usage="initiate", store=store)


def _token(gssapi: Any, target: Any, credentials: Any) -> bytes:
    flags = [gssapi.RequirementFlag.integrity]
    context = gssapi.SecurityContext(
        name=target, creds=credentials, usage="initiate", mech=gssapi.MechType.kerberos, flags=flags
    )
    token: bytes = context.step()
    return token


def _said(error: Exception) -> str:
    return str(error).rpartition("): ")[2].replace("{", "(").replace("}", ")")[:200]
