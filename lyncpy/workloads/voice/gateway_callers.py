"""Who calls from outside, as people are shown it: by number, and by the name of who has that number here.

Spec: RFC 3325 §9; RFC 3323 §4.2; RFC 3261 §8.1.1.3 (anonymous callers).
"""

import re
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import split_list
from lyncpy.sip.headers import NameAddr, parse_name_addr
from lyncpy.sip.message import Request
from lyncpy.sip.telephone import dialled_in
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.voice.dial_plans import DialPlans
from lyncpy.workloads.voice.gateways import Gateway
from lyncpy.workloads.voice.model.dialplan import NotDialable, normalise
from lyncpy.workloads.voice.model.gateway_messages import ANONYMOUS, ANONYMOUS_AOR

_NAME_MOST: Final = 64
_UNQUOTABLE: Final = re.compile(r'["\\<>\x00-\x1f\x7f]')
_NUMBER: Final = re.compile(r"\+?[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class ShownCaller:
    """A caller from outside."""

    aor: Aor
    """Nobody's address: whoever calls from outside is no user, whichever number they say is theirs."""

    address: str
    """The value of From, without a tag."""

    named: str
    """For records: their tel URI, or that they are anonymous."""


class CallersShown:
    """Says how callers are shown.

    Args:
        people: Whose numbers are whose.
        plans: Make numbers of what gateways say.
        domains: Of the addresses: one of the users', and one of nobody.
    """

    def __init__(self, people: IPeople, plans: DialPlans, domains: tuple[str, str]) -> None:
        self._people = people
        self._plans = plans
        self._domain, self._nobodys = domains

    def shown(self, request: Request, gateway: Gateway) -> ShownCaller:
        """Say how the caller of a gateway is shown; who cannot be told is anonymous, as who wants to be."""
        private = ",".join(request.headers.get_all("Privacy")).lower()
        said = None if "id" in private or "user" in private else self._said(request)
        number = "" if said is None else self._number(said, gateway)
        if said is None or not number:
            return ShownCaller(ANONYMOUS_AOR, ANONYMOUS, "anonymous")
        aor = aor_of(f"sip:{number}@{self._domain}")
        if self._people.person(aor) is not None:
            aor = aor_of(f"sip:{number}@{self._nobodys}")
        known = [one for one in self._people.by_number(f"tel:{number}") if one.enabled]
        name = known[0].display_name if len(known) == 1 else said.display
        name = _UNQUOTABLE.sub("", name)[:_NAME_MOST].strip()
        return ShownCaller(aor, f'"{name}" <{aor};user=phone>' if name else f"<{aor};user=phone>", f"tel:{number}")

    def _said(self, request: Request) -> NameAddr | None:
        """Give whom the gateway asserts, else who says that they call."""
        for value in request.headers.get_all("P-Asserted-Identity"):
            for one in split_list(value):
                try:
                    return parse_name_addr(one)
                except RemoteProtocolError:
                    continue
        return request.from_

    def _number(self, said: NameAddr, gateway: Gateway) -> str:
        """Give the digits of a caller, with + where the gateway's dial plan makes such a number of them; "": they are none."""
        try:
            uri = parse_uri(said.uri)
            dialled = dialled_in(uri if uri.scheme == "tel" else parse_uri(f"sip:{uri.user or ''}@x;user=phone"))
        except RemoteProtocolError:
            return ""
        if dialled is None:
            return ""
        plan = self._plans.meant(gateway.settings.dial_plan.lower(), ANONYMOUS_AOR)
        digits = dialled.text
        if plan is not None:
            try:
                digits = normalise(plan, dialled.text, dialled.ext).number.digits
            except NotDialable:
                digits = dialled.text
        return digits if _NUMBER.fullmatch(digits) else ""
