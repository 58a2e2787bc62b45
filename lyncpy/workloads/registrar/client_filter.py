"""The client version filter: clients that a policy blocks do not sign in, and are told why."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.clients import AGENT_LONGEST, ClientRule, deciding
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.text import shown

AGENT: Final = "lcs.microsoft.com"
"""The name of who warns, for Microsoft's clients know no other."""

OLD: Final = "You are currently not using the recommended version of the client"

REMEMBERED: Final = 1_000
"""Users whose last refused client is remembered for `why`."""


@dataclass(frozen=True, slots=True)
class RefusedClient:
    """A client that did not sign in, and why."""

    agent: str
    rule: ClientRule
    policy: str


class ClientFilter:
    """Decides about each REGISTER by what the client calls itself, and the policy of its user."""

    log = Logger()

    def __init__(self, policies: IPolicies) -> None:
        self._policies = policies
        self._refused: OrderedDict[Aor, RefusedClient] = OrderedDict()

    def check(self, aor: Aor, agent: str) -> str:
        """Give where the user is to be told to get another client though this one may sign in; "" for nowhere.

        Raises:
            Refused: 403 with 17002 or, if there is a better client, 17003.

        Spec: [MS-SIPREGE] 3.4.2.5; [MS-OCER] 8.16.
        """
        policy = self._policies.policy_of(aor)
        rule = deciding(policy.clients, agent) if policy.clients else None
        if rule is None or rule.allows:
            return rule.url if rule is not None else ""
        self._refused[aor] = RefusedClient(agent[:AGENT_LONGEST], rule, policy.name)
        self._refused.move_to_end(aor)
        if len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
        self.log.info("{aor} refused: {agent} is blocked by {rule}", aor=aor, agent=shown(agent), rule=rule.text)
        if rule.url:
            raise Refused(403, Diagnostics(17003, "Declined with URL", public=True), headers=[warning(rule.url)])
        raise Refused(
            403,
            Diagnostics(17002, "Invalid protocol client version", public=True),
            headers=[("Warning", f'310 {AGENT} "{OLD}"')],
        )

    def refused(self, aor: Aor) -> RefusedClient | None:
        """Give the last client of a user that was refused, while the policy would refuse it still."""
        refused = self._refused.get(aor)
        rule = deciding(self._policies.policy_of(aor).clients, refused.agent) if refused is not None else None
        return refused if rule is not None and not rule.allows else None


def warning(url: str) -> tuple[str, str]:
    """Give the header that tells a client where a better one is."""
    return "Warning", f'313 {AGENT} "{url}"'
