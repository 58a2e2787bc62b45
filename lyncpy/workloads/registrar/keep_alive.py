"""Half-open connections: whose device cannot be reached any more is found out in about a minute.

The kernel finds a peer that is gone ([sip] dead_s); it does not find a device that hangs, or a relay that
keeps a connection whose other half is dead. A client that has promised keep-alives sends one when it
was idle for `keep_alive_s`; when nothing came of it for longer it is asked, and when nothing comes
then either its connection is closed. So is any client asked at once that did not answer something else.

Spec: [MS-CONMGMT] 3.1, 3.2: the server chooses the interval, and may take a silent client for gone.
"""

from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.sip.message import Headers, Request, new_call_id, new_tag
from lyncpy.workloads.registrar.bindings import Bindings

GRACE_S: Final = 10.0
"""How much later than promised a keep-alive may come before its client is asked."""

ANSWER_S: Final = 10.0
"""How long a client may take to say anything at all; answers are awaited from alive clients alone."""

LOOK_S: Final = 5.0
"""Between two looks at who is silent."""

AT_ONCE: Final = 50
"""Clients asked in one turn of the reactor, at most."""


class KeepAliveWatch:
    """Sends a request to endpoints that are silent, and closes the connections of those that stay so.

    Args:
        keep_alive_s: The interval that clients were told, in seconds.
    """

    log = Logger()

    def __init__(
        self, bindings: Bindings, outbound: IOutbound, flows: IFlows, timers: ITimers, *, keep_alive_s: float
    ) -> None:
        self._bindings = bindings
        self._outbound = outbound
        self._flows = flows
        self._timers = timers
        self._patience_s = keep_alive_s + GRACE_S
        self._promised: set[FlowName] = set()
        self._asked: set[FlowName] = set()
        self._next_look = Deadline(timers, self._look)

    def close(self) -> None:
        """Stop looking for silent clients."""
        self._next_look.clear()

    def promised(self, flow: FlowName) -> None:
        """Note that the client on this connection sends keep-alives."""
        self._promised.add(flow)
        self._next_look.set_first(LOOK_S)

    def unwatch(self, flow: FlowName) -> None:
        """Stop watching a connection that is gone."""
        self._promised.discard(flow)
        self._asked.discard(flow)

    def doubt(self, flow: FlowName) -> None:
        """Send a client OPTIONS, and close its connection if nothing comes from it. Returns at once."""
        endpoints = self._bindings.on(flow)
        if flow in self._asked or not endpoints:
            return
        self._asked.add(flow)
        endpoint = endpoints[0]
        lines = (
            ("From", f"<{endpoint.aor}>;tag={new_tag()}"),
            ("To", f"<{endpoint.aor}>"),
            ("Call-ID", new_call_id()),
            ("CSeq", "1 OPTIONS"),
            ("Max-Forwards", "70"),
            ("Accept", "application/sdp"),
        )
        request = Request("OPTIONS", endpoint.contact or endpoint.gruu, Headers(lines))
        spawn(self._ask(flow, request), self.log, "asking whether a client is there")

    async def _ask(self, flow: FlowName, request: Request) -> None:
        """Ask; whatever comes meanwhile, an answer or something else, speaks for the client."""
        asked_at = self._timers.now()
        await self._outbound.send_request(flow, request, timeout=ANSWER_S).final
        self._asked.discard(flow)
        if self._flows.is_silent(flow, asked_at):
            names = ", ".join(endpoint.aor for endpoint in self._bindings.on(flow))
            self.log.info("{flow} of {aor} closed: its client does not answer", flow=flow, aor=names)
            self._flows.close_flow(flow, "does not answer")

    def _look(self) -> None:
        if self._promised:
            self._next_look.set(LOOK_S)
        since = self._timers.now() - self._patience_s
        silent = [flow for flow in self._flows.silent(since) if flow in self._promised]
        if silent:
            spawn(self._doubt_each(silent, since), self.log, "asking who is there")

    async def _doubt_each(self, flows: Sequence[FlowName], since: float) -> None:
        """Ask a thousand clients, all of whom fell silent when their network did, in slices."""
        slices = Slices(self._timers, AT_ONCE)
        for flow in flows:
            if self._flows.is_silent(flow, since):
                self.doubt(flow)
            await slices.spend()
