"""Which certificates of issuers belong to a server's, and in which order. Pure."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm


def in_order(own: x509.Certificate, issuers: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Give the others, each issuer behind the certificate that it issued.

    Authorities hand out bundles in either order, and TLS wants the server's own first (RFC 5246 §7.4.2).
    """
    others = list(dict.fromkeys(issuers))
    ordered: list[x509.Certificate] = []
    last = own
    while issuer := next((one for one in others if one.subject == last.issuer), None):
        others.remove(issuer)
        ordered.append(issuer)
        last = issuer
    return (*ordered, *others)


def has_signed(issuer: x509.Certificate, one: x509.Certificate) -> bool:
    """Tell whether an issuer has signed a certificate."""
    try:
        one.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def is_of_others(own: x509.Certificate, chain: Sequence[x509.Certificate]) -> bool:
    """Tell whether what goes with a certificate is of other authorities than the one that has issued it."""
    is_own = own.issuer == own.subject
    return bool(chain) and not is_own and all(one.subject != own.issuer for one in chain)
