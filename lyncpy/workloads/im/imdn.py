"""The report about a message to many: who did not get it ([MS-CONFIM] 2.2.3)."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.mcu import DeliveryFailure
from lyncpy.sip.markup import escape, quote_attr

IMDN_TYPE: Final = "application/ms-imdn+xml"

_NS: Final = "http://schemas.microsoft.com/rtc/2005/08/imdn"


def write_report(number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> bytes:
    """Write which recipients did not get a message; without one, everybody got it.

    Args:
        number: The message's Message-Id.
        failed: Addresses, `sip:…`, and why; an empty sequence is allowed.

    Spec: [MS-CONFIM] 2.2.3. Client: it shows each recipient whose status is 300 or more, in
    words that go by the status (protocol notes, "instant messaging" §3.3, §3.4).
    """
    recipients = "".join(_recipient(address, failure) for address, failure in failed)
    return f'<imdn xmlns="{_NS}"><message-id>{number}</message-id>{recipients}</imdn>'.encode()


def _recipient(address: str, failure: DeliveryFailure) -> str:
    entry = (
        f"<entry><key>ms-diagnostics</key><value>{escape(failure.diagnostics)}</value></entry>"
        if failure.diagnostics
        else ""
    )
    uri = quote_attr(f"<{address}>")
    return f"<recipient uri={uri}><status>{failure.status}</status>{entry}</recipient>"
