"""What telephony answers over SIP."""

from collections.abc import Sequence

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Provision, Route
from lyncpy.sip.markup import escape
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.voice.bodies import PROFILE_TYPE, write_profile
from lyncpy.workloads.voice.dial_plans import DialPlans

APPLICATION = "app:locationprofile:get"


class Routes:
    """Tells clients the dial plan of their user, at sign-in and when they ask."""

    def __init__(self, plans: DialPlans) -> None:
        self._plans = plans

    def rows(self) -> Sequence[Route]:
        """Give the table of routes."""
        return (Route("SERVICE", self.profile, app=APPLICATION),)

    def provisions(self) -> Sequence[Provision]:
        """Give what clients are told at sign-in ([MS-SIPREGE] 2.2.2.5): the plan's name, the plan of the house, and the plan."""
        return (
            Provision("userSetting", lambda aor: _element("ucUserLocationProfile", self._plans.plan_of(aor).name)),
            Provision("ServerConfiguration", lambda aor: _element("ucLocationProfile", self._plans.usual.name)),
            Provision("locationProfile", lambda aor: write_profile(self._plans.plan_of(aor))),
        )

    async def profile(self, arrival: Arrival) -> Response:
        """Answer which plan a user has.

        Raises:
            Refused: 403, it is asked for another user.
        """
        request, aor = arrival.request, arrival.sender.aor
        if aor_of(request.target.aor) != aor:
            raise Refused(
                403, Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")
            )
        body = write_profile(self._plans.plan_of(aor)).encode()
        return response_to(request, 200, content_type=PROFILE_TYPE, body=body)


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"
