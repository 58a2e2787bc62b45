"""The traces that run: what concerns each is written into its file, until it ends by itself or is stopped."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.bus import IBus, IListening, Interest
from lyncpy.contracts.facts import Fact, GroupsChanged, PersonChanged, PoliciesChanged, key_of
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.names import FlowName, NodeName, aor_of
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.tapping import Passage, PassageKind
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.tracing import IHomer, ITraceFiles
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.deadline import Deadlines
from lyncpy.core.spawn import spawn
from lyncpy.sip.masking import masked
from lyncpy.workloads.tracing.model.entry import Socket, TraceEntry, TraceEntryKind, instant, sentence
from lyncpy.workloads.tracing.model.glance import glance
from lyncpy.workloads.tracing.model.hep import HepSender, hep_packet
from lyncpy.workloads.tracing.model.target import TraceTarget, TraceTargetKind
from lyncpy.workloads.tracing.retention import TraceRetention
from lyncpy.workloads.tracing.settings import Settings
from lyncpy.workloads.tracing.state import WORDS, policy_words

WRITE_BYTES: Final = 65_536
"""Bytes of a trace that are gathered before they are written, at most."""

WRITE_S: Final = 0.5
"""Seconds after which what was gathered is written."""

WAITING_BYTES: Final = 1_048_576
"""Bytes of a trace that wait for a disk which is slow; what is beyond is counted, and not kept."""

_OF_POLICIES: Final[Sequence[type[Fact]]] = (PoliciesChanged, PersonChanged, GroupsChanged)
"""After these somebody's policy may be another one."""

_CHANGES: Final = {
    PassageKind.OPENED: "connection {flow} opened: {words}",
    PassageKind.GARBLED: "what came over connection {flow} cannot be read: {words}",
    PassageKind.CLOSED: "connection {flow} closed: {words}",
}


@dataclass(frozen=True, slots=True)
class TraceOrder:
    """What an operator wants to have recorded."""

    name: str
    target: TraceTarget
    author: str
    span_s: float
    with_bodies: bool = False
    to_homer: bool = False

    def head(self, node: str, now: float) -> bytes:
        """Give the first line of its file."""
        told = {
            "trace": self.name,
            "of": str(self.target),
            "by": self.author,
            "node": node,
            "began": instant(now),
            "until": instant(now + self.span_s),
            "bodies": self.with_bodies,
        }
        return json.dumps(told).encode() + b"\n"


@dataclass(slots=True)
class RunningTrace:
    """One that is recorded."""

    order: TraceOrder
    began: float
    """Seconds since the epoch, for people."""

    entries: int = 0
    size: int = 0
    """Bytes of its entries."""

    lost: int = 0
    """Entries that were not kept, because the disk was too slow or failed."""

    policy: Policy | None = None
    """That of the user whom it is about, as it was last; None: it is about no user."""

    flows: set[FlowName] = field(default_factory=set)
    """Connections that a message of it went over."""

    waiting: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    is_writing: bool = False
    awaited: list[Deferred[None]] = field(default_factory=list)
    """Who waits until all of it is written: commands under way."""

    ended: str = ""
    """Why it has ended."""

    def wrote(self) -> None:
        """Tell whoever waits that all that was gathered is written, or is not going to be."""
        self.is_writing = False
        awaited, self.awaited = self.awaited, []
        for one in awaited:
            if not one.called:  # else who waited was interrupted
                one.callback(None)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is recorded comes from."""

    flows: IFlows
    """Tells of messages while a trace runs."""

    bus: IBus
    """Tells of changes."""

    policies: IPolicies
    """What each user may."""


class Recorder:
    """Begins, fills and ends traces of this process.

    Args:
        node: This process.
        sources: Where what is recorded comes from.
        files: Where traces are kept.
        homer: Gets those that are to go there.
        retention: Makes room for a new one.
        settings: The section [tracing].
        timers: The clocks.
    """

    log = Logger()

    def __init__(
        self,
        node: NodeName,
        sources: Sources,
        files: ITraceFiles,
        homer: IHomer,
        retention: TraceRetention,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        self._node, self._sources = node, sources
        self._files, self._homer, self._retention = files, homer, retention
        self._settings = settings
        self._timers = timers
        self._sender: Final = HepSender(settings.homer_agent, settings.homer_key)
        self._running: dict[str, RunningTrace] = {}
        self._ended: dict[str, RunningTrace] = {}
        """Those of which the last lines are being written."""

        self._limits = (
            Limit("tracing.running", settings.running, lambda: len(self._running)),
            Limit("tracing.running_per_operator", settings.running_per_operator, self._most_of_one),
        )
        self._listening: list[IListening] = []
        self._about = Interest()
        self._ends: Deadlines[str] = Deadlines(timers, self._over)
        self._writes: Deadlines[str] = Deadlines(timers, self._write_soon)

    @property
    def running(self) -> Mapping[str, RunningTrace]:
        """Give the traces that run, by name."""
        return self._running

    def _most_of_one(self) -> float:
        return max(Counter(one.order.author for one in self._running.values()).values(), default=0)

    async def start(self, order: TraceOrder) -> None:
        """Begin a trace; raises CommandFailed where there are too many, or its file cannot be made."""
        self._refuse_too_many(order)
        now = self._timers.steady()
        # What it hears while another trace runs already waits for its file.
        trace = self._running[order.name] = RunningTrace(order, now, is_writing=True)
        try:
            await self._retention.remove_old(self._running, room=1)
            await self._files.create(order.name, order.head(self._node, now))
        except OSError as error:
            self._running.pop(order.name, None)
            self._ended.pop(order.name, None)
            trace.wrote()
            raise CommandFailed(f"the trace cannot be written: {error.strerror or error} ([tracing] folder)") from error
        trace.is_writing = False
        self._write(order.name, trace)
        if trace.ended:  # it was stopped meanwhile
            return
        self._ends.set(order.name, order.span_s)
        trace.policy = self._policy_of(order.target)
        if order.target.about:
            self._about.add(order.target.about)
        if not self._listening:
            self._sources.flows.tap_with(self._heard)
            self._listening = [
                *(self._sources.bus.listen(kind, self._changed, self._about) for kind in WORDS),
                *(self._sources.bus.listen(kind, self._policies_changed) for kind in _OF_POLICIES),
            ]

    def stop(self, name: str, why: str) -> bool:
        """End a trace; False: there is none of this name."""
        trace = self._running.pop(name, None)
        if trace is None:
            return False
        self._ends.clear(name)
        trace.ended = why
        self._ended[name] = trace
        self._state(trace, f"the trace has ended: {why}")
        self._write(name, trace)
        wanted = {one.order.target.about for one in self._running.values()}
        for key in self._about:
            if key not in wanted:
                self._about.discard(key)
        if not self._running:
            self._sources.flows.tap_with(None)
            for one in self._listening:
                one.stop()
            self._listening = []
        return True

    def stop_all(self, why: str) -> None:
        """End all of them."""
        for name in tuple(self._running):
            self.stop(name, why)

    def _over(self, name: str) -> None:
        self.stop(name, "its time is over")

    def _refuse_too_many(self, order: TraceOrder) -> None:
        most, of_one = self._settings.running, self._settings.running_per_operator
        if len(self._running) >= most:
            self._limits[0].hit()
            raise CommandFailed(f"{most} traces run already ([tracing] running); stop one of them: trace list")
        if Counter(one.order.author for one in self._running.values())[order.author] >= of_one:
            self._limits[1].hit()
            raise CommandFailed(f"you have {of_one} traces running ([tracing] running_per_operator); stop one of them")

    # --- what is recorded

    def _heard(self, passage: Passage) -> None:
        """Give a passage to the traces that it concerns."""
        said = glance(passage.data)
        for name, trace in tuple(self._running.items()):
            target = trace.order.target
            if passage.kind is not PassageKind.MESSAGE:
                if passage.flow in trace.flows or target.has_peer(passage.client[0]):
                    trace.flows.discard(passage.flow)
                    change = _CHANGES[passage.kind].format(flow=passage.flow, words=passage.words)
                    self._keep(name, trace, self._entry(TraceEntryKind.STATE, sentence(change), passage))
            elif target.concerns(said, passage.client[0]):
                trace.flows.add(passage.flow)
                text = masked(passage.data, with_body=trace.order.with_bodies, most=self._settings.message_bytes)
                self._keep(name, trace, self._entry(TraceEntryKind.MESSAGE, text, passage))

    async def _changed(self, fact: Fact) -> None:
        """Give a change to the traces of whom it is about."""
        key = key_of(fact)
        for name, trace in tuple(self._running.items()):
            if key == trace.order.target.about:
                self._keep(name, trace, self._change(WORDS[type(fact)](fact)))

    async def _policies_changed(self, fact: Fact) -> None:
        """Say how the policies of users have changed who are traced."""
        for name, trace in tuple(self._running.items()):
            before, after = trace.policy, self._policy_of(trace.order.target)
            if before is not None and after is not None and before != after:
                trace.policy = after
                self._keep(name, trace, self._change(policy_words(aor_of(trace.order.target.value), before, after)))

    def _policy_of(self, target: TraceTarget) -> Policy | None:
        return self._sources.policies.policy_of(aor_of(target.value)) if target.kind is TraceTargetKind.USER else None

    def _change(self, words: str) -> TraceEntry:
        return TraceEntry(self._timers.steady(), self._node, TraceEntryKind.STATE, sentence(words))

    def _entry(self, kind: TraceEntryKind, text: str, passage: Passage) -> TraceEntry:
        return TraceEntry(
            at=self._timers.steady(),
            node=self._node,
            kind=kind,
            text=text,
            flow=passage.flow,
            client=Socket(*passage.client),
            server=Socket(*passage.server),
            is_inward=passage.is_inward,
        )

    def _state(self, trace: RunningTrace, words: str) -> None:
        """Write a sentence about the trace itself, which has room always."""
        line = self._change(words).line()
        trace.waiting.append(line)
        trace.waiting_bytes += len(line)

    def _keep(self, name: str, trace: RunningTrace, entry: TraceEntry) -> None:
        line = entry.line()
        if trace.size + len(line) > self._settings.bytes:
            self.stop(name, "it is full ([tracing] bytes)")
            return
        if trace.entries >= self._settings.entries:
            self.stop(name, "it is full ([tracing] entries)")
            return
        if trace.order.to_homer:
            self._homer.send(hep_packet(entry, self._sender))
        if trace.waiting_bytes + len(line) > WAITING_BYTES:
            trace.lost += 1
            return
        trace.entries += 1
        trace.size += len(line)
        trace.waiting.append(line)
        trace.waiting_bytes += len(line)
        if trace.waiting_bytes >= WRITE_BYTES:
            self._write(name, trace)
        else:
            self._writes.set_first(name, WRITE_S)

    # --- how it is written

    def _write_soon(self, name: str) -> None:
        trace = self._running.get(name)
        if trace is not None:
            self._write(name, trace)

    def _write(self, name: str, trace: RunningTrace) -> None:
        if not trace.is_writing and trace.waiting:
            self._writes.clear(name)
            spawn(self._written(name, trace), self.log, "the writing of a trace")

    async def _written(self, name: str, trace: RunningTrace) -> None:
        """Write all that waits, and what came meanwhile; one write at a time."""
        trace.is_writing = True
        try:
            while trace.waiting:
                lines, trace.waiting, trace.waiting_bytes = trace.waiting, [], 0
                await self._append(name, trace, lines)
        finally:
            if trace.ended:
                self._ended.pop(name, None)
            trace.wrote()

    async def flushed(self, name: str) -> None:
        """Write what a trace has gathered, so that it can be read, also of one that has just ended."""
        trace = self._running.get(name) or self._ended.get(name)
        if trace is None:
            return
        self._write(name, trace)
        if trace.is_writing:
            written: Deferred[None] = Deferred()
            trace.awaited.append(written)
            await written

    async def _append(self, name: str, trace: RunningTrace, lines: Sequence[bytes]) -> None:
        try:
            await self._files.append(name, b"".join(lines))
        except OSError as error:
            trace.lost += len(lines)
            if not trace.ended:
                self.log.warn("the trace {trace} cannot be written: {reason}", trace=name, reason=str(error))
                self.stop(name, f"it cannot be written: {error.strerror or error}")
