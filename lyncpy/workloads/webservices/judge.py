"""Whether somebody may sign in over SIP with the certificate that they have proved the key of."""

from zope.interface import implementer

from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.certificates import IClientCertificates, StandingCertificate
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.certificates import (
    ShownCertificate,
    certificate_ends,
    is_issued_by,
    read_certificate_der,
)
from lyncpy.workloads.webservices.model.issued import EXPIRED, GOOD, standing
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.tickets import PasswordMarks


@implementer(IClientCertificates)
class CertificateJudge:
    """Judges by the records of what was issued; who signed a certificate only says why one is not in there.

    Args:
        authority: Whose certificates they are.
        marks: Of passwords: a certificate ends with the password that it was got with.
    """

    def __init__(
        self,
        owners: IOwners,
        issued: IssuedTable,
        authority: PeopleAuthority,
        marks: PasswordMarks,
        timers: ITimers,
    ) -> None:
        self._owners = owners
        self._issued = issued
        self._authority = authority
        self._marks = marks
        self._timers = timers

    async def judge(self, certificate: bytes, aor: Aor) -> StandingCertificate | AuthenticationDenied:
        """Say whether a certificate (DER) is one that this user has and that stands now; else why not."""
        try:
            shown = read_certificate_der(certificate)
        except ServiceRefused as refused:
            return AuthenticationDenied(DenialReason.UNKNOWN_CERTIFICATE, aor=aor, detail=refused.reason)
        issued, mark = await self._issued.read(shown.owner), (await self._marks.mark(aor)).hex()
        found = next((one for one in issued.certificates if one.digest == shown.digest), None)
        if found is None:
            return await self._missing(certificate, shown, aor)
        # Behind the waits: a pull may have come between.
        if self._owners.owner(aor) != shown.owner:
            return self._of_another(shown)
        state = standing(found, mark, self._timers.wall())
        if state == GOOD:
            return StandingCertificate(found.digest, found.until)
        reason = DenialReason.EXPIRED_CERTIFICATE if state == EXPIRED else DenialReason.OUTDATED_CERTIFICATE
        return AuthenticationDenied(reason, aor=aor, detail=f"serial {found.serial}")

    async def _missing(self, certificate: bytes, shown: ShownCertificate, aor: Aor) -> AuthenticationDenied:
        """Say why no record has a certificate."""
        detail = f"it begins with SHA-256 {shown.digest[:16]}"
        if not is_issued_by(await self._authority.current(), certificate):
            return AuthenticationDenied(DenialReason.UNKNOWN_CERTIFICATE, aor=aor, detail=detail)
        if self._owners.owner(aor) != shown.owner:
            return self._of_another(shown)
        if self._timers.wall() >= certificate_ends(certificate):
            return AuthenticationDenied(DenialReason.EXPIRED_CERTIFICATE, aor=aor, detail=detail)
        return AuthenticationDenied(DenialReason.REVOKED_CERTIFICATE, aor=aor, detail=detail)

    def _of_another(self, shown: ShownCertificate) -> AuthenticationDenied:
        whose = self._owners.address(shown.owner)
        return AuthenticationDenied(
            DenialReason.NOT_THIS_USER,
            "" if whose is None else bare(whose),
            whose,
            detail="the certificate is another user's",
        )
