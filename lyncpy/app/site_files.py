"""What is taken up from files while the server runs: the certificate, the operators' authority, the icon."""

from collections.abc import Callable, Sequence
from datetime import datetime

from lyncpy.app.followed_files import Following
from lyncpy.wire.certificate import Certificate, CertificateUnusable, CheckedCredentials
from lyncpy.wire.certificate_objections import objections
from lyncpy.wire.operators import OperatorsAuthority, Trusted
from lyncpy.workloads.web.icon import IconFile, IconUnusable, SiteIcon


def of_certificate(
    certificate: Certificate, asked: Sequence[str], wall: Callable[[], datetime]
) -> Following[CheckedCredentials]:
    """Follow the files of the certificate, for connections to come.

    Args:
        certificate: In use.
        asked: The names that clients connect to.
        wall: The wall clock.
    """

    def worse(found: CheckedCredentials) -> Sequence[str]:
        faults = "; ".join(objections(found, certificate.credentials, asked, wall()))
        return [f"[sip] certificate: {faults}"] if faults else []

    return Following("certificate", "the files of the certificate", certificate, CertificateUnusable, worse)


def of_operators(authority: OperatorsAuthority) -> Following[Trusted]:
    """Follow the authority of operators' certificates, with its revocation lists, for connections to come."""
    return Following("console", "the file of [web] operators_authority", authority, CertificateUnusable)


def of_icon(icon: IconFile) -> Following[SiteIcon]:
    """Follow the icon of the site's pages."""
    return Following("site", "the file of [web] icon", icon, IconUnusable)
