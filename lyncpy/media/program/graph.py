"""One call in GStreamer: two legs, each with its sockets, its SRTP and its RTP session, joined to one another.

Packets never pass Python: it builds the graph, and hears of what happens a few times in a call. Where both legs have the same
codec under the same number, packets are joined as they are; else they are decoded and encoded. Of telephone events (RFC 4733) each
digit is told, and where nothing is changed they pass on, too.

A leg ends in two pads: what it has received, and what it sends. A mixer of many legs would stand between the same two.
"""

import base64
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any, Final

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Nice", "0.1")

from gi.repository import Gio, GLib, Gst, Nice  # noqa: E402 - the versions have to be said first

from lyncpy.media.model.forms import (  # noqa: E402
    CLOCKS,
    DIGITS,
    Allocate,
    Allocated,
    Codec,
    Digit,
    Ended,
    LegFigures,
    LegWish,
    LocalLeg,
    Measured,
    Reached,
    RemoteLeg,
)

KEY_BYTES: Final = 30
"""Master key and salt of AES_CM_128_HMAC_SHA1_80 (RFC 4568 §6.1)."""

JITTER_MS: Final = 60
"""How long a packet waits for one before it, where sound is decoded."""

SPARE_PORTS: Final = 50
"""Pairs of ports that are tried."""

_SRTP: Final = "srtp-cipher=aes-128-icm,srtp-auth=hmac-sha1-80,srtcp-cipher=aes-128-icm,srtcp-auth=hmac-sha1-80"

_PLAIN_SOUND: Final = "audio/x-raw,format=S16LE,channels=1"

_DECODE: Final = {
    "PCMU": ("rtppcmudepay", "mulawdec"),
    "PCMA": ("rtppcmadepay", "alawdec"),
    "opus": ("rtpopusdepay", "opusdec"),
}
_ENCODE: Final = {
    "PCMU": ("mulawenc", "rtppcmupay"),
    "PCMA": ("alawenc", "rtppcmapay"),
    "opus": ("opusenc", "rtpopuspay"),
}

Tell = Callable[[Reached | Digit | Ended], None]
"""Hears of events; called in the thread of the main loop."""


class LegImpossible(Exception):
    """A leg cannot be had; the text says why."""


def missing_elements() -> tuple[str, ...]:
    """Give the parts of GStreamer without which there is no call."""
    needed = ("nicesrc", "nicesink", "srtpenc", "srtpdec", "rtpsession", "rtpptdemux", "udpsrc", "multiudpsink")
    return tuple(one for one in needed if Gst.ElementFactory.find(one) is None)


def codecs() -> tuple[str, ...]:
    """Give the codecs that are decoded and encoded here."""
    return tuple(
        name for name in CLOCKS if name in _DECODE and all(map(Gst.ElementFactory.find, _DECODE[name] + _ENCODE[name]))
    )


def _made(parent: Any, kind: str, **properties: object) -> Any:  # Any: GObject introspection has no types
    element = Gst.ElementFactory.make(kind, None)
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    parent.add(element)
    return element


def _join(source: Any, sink: Any) -> None:  # Any: pads, as above
    """Join two pads, whichever bins they are in: a pair of legs would be a loop to a bin that had both."""
    result = source.link_full(sink, Gst.PadLinkCheck.NOTHING)
    if result != Gst.PadLinkReturn.OK:
        raise LegImpossible(f"{source.get_name()} and {sink.get_name()} cannot be joined: {result.value_nick}")


def _pad(element: Any, name: str) -> Any:  # Any: as above
    return element.get_static_pad(name) or element.request_pad_simple(name)


class _Handlers:
    """What hears signals of elements; a graph that is not let go of by it would stay for ever."""

    def __init__(self) -> None:
        self._connected: list[tuple[Any, int]] = []  # Any: as above

    def add(self, thing: Any, signal: str, call: Callable[..., Any]) -> None:  # Any: as above
        """Have a function called at a signal."""
        self._connected.append((thing, thing.connect(signal, call)))

    def clear(self) -> None:
        """Hear nothing any more."""
        while self._connected:
            thing, number = self._connected.pop()
            thing.disconnect(number)


class _Ports:
    """Two sockets of a leg without ICE, for RTP and RTCP."""

    def __init__(self, wish: LegWish) -> None:
        first = wish.lowest + wish.lowest % 2
        pairs = max((wish.highest - first + 1) // 2, 0)
        for _ in range(min(SPARE_PORTS, 4 * pairs)):
            self.port = first + 2 * secrets.randbelow(pairs)
            self.sockets: list[Any] = []  # Any: as above
            with suppress(GLib.Error):
                for port in (self.port, self.port + 1):
                    self.sockets.append(_bound(wish.address, port))
                return
            self.close()
        raise LegImpossible(f"no two ports from {wish.lowest} to {wish.highest} are free at {wish.address}")

    def close(self) -> None:
        """Give the ports back."""
        for one in self.sockets:
            one.close()


def _bound(address: str, port: int) -> Any:  # Any: as above
    place = Gio.InetSocketAddress.new_from_string(address, port)
    if place is None:
        raise LegImpossible(f"{address} is no address")
    found = Gio.Socket.new(place.get_family(), Gio.SocketType.DATAGRAM, Gio.SocketProtocol.UDP)
    found.bind(place, False)  # noqa: FBT003 - no other process shares it
    return found


class LegGraph:
    """One leg: a bin with an RTP session, and whatever brings its packets.

    Args:
        pipeline: Of its call.
        wish: What it is to be.
        changed: Hears that ICE has found the other end, or that it never will.
    """

    def __init__(self, pipeline: Any, wish: LegWish, changed: Callable[[bool], None]) -> None:  # Any: as above
        self.wish = wish
        self.remote: RemoteLeg | None = None
        self._key = secrets.token_bytes(KEY_BYTES) if wish.secure else b""
        self._remote_key = b""
        self._bin = Gst.Bin.new(None)
        pipeline.add(self._bin)
        self._session = _made(self._bin, "rtpsession")
        self._handlers = _Handlers()
        self._handlers.add(self._session, "request-pt-map", lambda _, payload: self.caps(payload))
        self._ports: _Ports | None = None
        self._agent: Any = None  # Any: as above
        self._stream = 0
        self._changed = changed
        self._sinks: list[Any] = []  # Any: as above
        self.sends = self._session.request_pad_simple("send_rtp_sink")
        sources = self._with_ice() if wish.ice else self._with_sockets()
        self._through(sources)
        # What comes before the other leg is known is dropped.
        self._gate = _made(self._bin, "valve", drop=True)
        _join(self._session.get_static_pad("recv_rtp_src"), self._gate.get_static_pad("sink"))
        self.received = self._gate.get_static_pad("src")

    def _with_ice(self) -> list[Any]:  # Any: as above
        agent = self._agent = Nice.Agent.new(GLib.MainContext.default(), Nice.Compatibility.OC2007R2)
        agent.props.controlling_mode = self.wish.controlling
        agent.props.upnp = agent.props.ice_tcp = False
        place = Nice.Address.new()
        if not place.set_from_string(self.wish.address):
            raise LegImpossible(f"{self.wish.address} is no address")
        agent.add_local_address(place)
        self._stream = agent.add_stream(2)
        for component in (1, 2):
            agent.set_port_range(self._stream, component, self.wish.lowest, self.wish.highest)
        self._handlers.add(agent, "component-state-changed", self._state_changed)
        given = [{"agent": agent, "stream": self._stream, "component": component} for component in (1, 2)]
        self._sinks = [_made(self._bin, "nicesink", sync=False, **{"async": False}, **one) for one in given]
        return [_made(self._bin, "nicesrc", **one) for one in given]

    def _state_changed(self, _agent: Any, _stream: int, component: int, state: Any) -> None:  # Any: as above
        """Hear of ICE, in a thread of the stream."""
        is_ready = int(state) == int(Nice.ComponentState.READY)
        if (is_ready and component == 1) or int(state) == int(Nice.ComponentState.FAILED):
            GLib.idle_add(self._changed, is_ready)

    def _with_sockets(self) -> list[Any]:  # Any: as above
        self._ports = _Ports(self.wish)
        sockets = self._ports.sockets
        self._sinks = [
            _made(self._bin, "multiudpsink", sync=False, socket=one, close_socket=False, **{"async": False})
            for one in sockets
        ]
        return [_made(self._bin, "udpsrc", socket=one, close_socket=False) for one in sockets]

    def _through(self, sources: list[Any]) -> None:  # Any: as above
        """Join sources, SRTP, session and sinks."""
        kind = "application/x-srt{}" if self.wish.secure else "application/x-rt{},media=audio"
        filters = [_made(self._bin, "capsfilter", caps=Gst.Caps.from_string(kind.format(end))) for end in ("p", "cp")]
        for source, one in zip(sources, filters, strict=True):
            source.link(one)
        ins = [(one, "src") for one in filters]
        outs = [(one, "sink") for one in self._sinks]
        if self.wish.secure:
            decrypts = _made(self._bin, "srtpdec")
            self._handlers.add(decrypts, "request-key", self._keys)
            encrypts = _made(self._bin, "srtpenc", key=Gst.Buffer.new_wrapped(self._key), allow_repeat_tx=True)
            for word, incoming, outgoing in zip(("rtp", "rtcp"), tuple(ins), tuple(outs), strict=True):
                _join(_pad(*incoming), _pad(decrypts, f"{word}_sink"))
                sink = _pad(encrypts, f"{word}_sink_0")
                _join(_pad(encrypts, f"{word}_src_0"), _pad(*outgoing))
                ins.append((decrypts, f"{word}_src"))
                outs.append((sink, ""))
        for word, incoming in zip(("recv_rtp_sink", "recv_rtcp_sink"), ins[-2:], strict=True):
            _join(_pad(*incoming), _pad(self._session, word))
        for word, (element, name) in zip(("send_rtp_src", "send_rtcp_src"), outs[-2:], strict=True):
            _join(_pad(self._session, word), _pad(element, name) if name else element)

    def _keys(self, _: Any, source: int) -> Any:  # Any: as above
        """Give the keys of what comes; None, as long as the other end has said none: it is dropped."""
        if not self._remote_key:
            return None
        caps = Gst.Caps.from_string(f"application/x-srtp,ssrc=(uint){source},{_SRTP}").copy()
        caps.set_value("srtp-key", Gst.Buffer.new_wrapped(self._remote_key))
        return caps

    def caps(self, payload: int) -> Any:  # Any: as above
        """Describe packets with a payload type of this leg; None: the other end has said nothing of it."""
        if self.remote is None:
            return None
        names = {self.remote.events: ("TELEPHONE-EVENT", 8000)}
        names[self.remote.codec.payload] = self.remote.codec.name.upper(), CLOCKS[self.remote.codec.name]
        if payload not in names:
            return None
        name, clock = names[payload]
        return Gst.Caps.from_string(
            f"application/x-rtp,media=audio,payload={payload},clock-rate={clock},encoding-name={name}"
        )

    def gather(self) -> None:
        """Find the candidates of this end; these are those of this machine, so that they are known at once."""
        if self._agent is not None and not self._agent.gather_candidates(self._stream):
            raise LegImpossible(
                f"no two ports from {self.wish.lowest} to {self.wish.highest} are free at {self.wish.address}"
            )

    def local(self) -> LocalLeg:
        """Tell what the other end has to know."""
        key = base64.b64encode(self._key).decode("ascii")
        if self._ports is not None:
            return LocalLeg(self.wish.address, self._ports.port, self._ports.port + 1, key=key)
        agent, lines = self._agent, []
        for component in (1, 2):
            found = agent.get_local_candidates(self._stream, component)
            lines += [agent.generate_local_candidate_sdp(one).removeprefix("a=candidate:") for one in found]
        port, control_port = (
            int(next(one for one in lines if one.split()[1] == part).split()[5]) for part in ("1", "2")
        )
        _, user, password = agent.get_local_credentials(self._stream)
        return LocalLeg(self.wish.address, port, control_port, user, password, tuple(lines), key)

    def connect(self, remote: RemoteLeg) -> None:
        """Take what the other end has said."""
        self.remote = remote
        self._remote_key = base64.b64decode(remote.key)
        if self._agent is None:
            ports = remote.port, remote.control_port or remote.port + 1
            for sink, port in zip(self._sinks, ports, strict=True):
                sink.emit("add", remote.address, port)
            return
        agent = self._agent
        agent.set_remote_credentials(self._stream, remote.user, remote.password)
        for component in (1, 2):
            lines = [f"a=candidate:{one}" for one in remote.candidates if one.split()[1:3] == [str(component), "UDP"]]
            parsed = [agent.parse_remote_candidate_sdp(self._stream, one) for one in lines]
            agent.set_remote_candidates(self._stream, component, [one for one in parsed if one is not None])

    def open(self) -> None:
        """Let pass what comes."""
        self._gate.props.drop = False

    def figures(self) -> LegFigures:
        """Count what has passed."""
        stats = self._session.props.stats
        sources = stats.get_value("source-stats")
        received = sent = lost = 0
        jitter_ms = 0.0
        for one in sources:
            if one.get_value("internal"):
                sent += one.get_value("packets-sent")
                continue
            received += one.get_value("packets-received")
            lost += max(one.get_value("packets-lost"), 0)
            clock = one.get_value("clock-rate")
            jitter_ms = max(jitter_ms, one.get_value("jitter") * 1000 / clock if clock > 0 else 0.0)
        return LegFigures(received, sent, lost, jitter_ms)

    def close(self) -> None:
        """Give the ports back."""
        self._handlers.clear()
        if self._ports is not None:
            self._ports.close()
        if self._agent is not None:
            self._agent.remove_stream(self._stream)


class CallGraph:
    """A call of two legs, joined when both other ends are known.

    Args:
        question: What it is to be.
        tell: Hears of events.

    Raises:
        LegImpossible: A leg cannot be had; nothing is left of it.
    """

    def __init__(self, question: Allocate, tell: Tell) -> None:
        self._name = question.call
        self._tell = tell
        self._pipeline = Gst.Pipeline.new(None)
        self._legs: list[LegGraph] = []
        bus = self._pipeline.get_bus()
        bus.add_signal_watch()
        self._handlers = _Handlers()
        self._handlers.add(bus, "message::error", self._failed)
        self._handlers.add(bus, "message::element", self._heard)
        self._digit_legs: dict[str, int] = {}
        try:
            for number, wish in enumerate(question.legs):
                self._legs.append(LegGraph(self._pipeline, wish, partial(self._changed, number)))
            self._pipeline.set_state(Gst.State.PLAYING)
            for leg in self._legs:
                leg.gather()
        except LegImpossible:
            self.close()
            raise

    def local(self) -> Allocated:
        """Tell what the other ends have to know."""
        return Allocated(tuple(leg.local() for leg in self._legs))

    def connect(self, number: int, remote: RemoteLeg) -> None:
        """Take what the other end of a leg has said; with the last of them, sound begins to pass."""
        self._legs[number].connect(remote)
        if all(leg.remote is not None for leg in self._legs):
            first, second = self._legs
            for source, sink in ((0, second), (1, first)):
                self._path(source, sink)

    def _path(self, number: int, sink: LegGraph) -> None:
        """Lead what one leg receives to the other."""
        source = self._legs[number]
        parts = Gst.Bin.new(None)
        self._pipeline.add(parts)
        parting = _made(parts, "rtpptdemux")
        self._handlers.add(parting, "request-pt-map", lambda _, payload: source.caps(payload))
        assert source.remote is not None and sink.remote is not None
        is_same = source.remote.codec == sink.remote.codec
        join = _made(parts, "funnel")
        first, last = (join, join) if is_same else _changing(parts, source.remote.codec, sink.remote.codec)
        events = _made(parts, "tee", allow_not_linked=True)
        depay = _made(parts, "rtpdtmfdepay")
        dropped = _made(parts, "fakesink", sync=False, **{"async": False})
        self._digit_legs[depay.get_name()] = number
        events.link(depay)
        depay.link(dropped)
        if is_same and sink.remote.events >= 0:
            events.link(join)
        payloads = {source.remote.codec.payload: first, source.remote.events: events}
        self._handlers.add(
            parting, "new-payload-type", lambda _, payload, pad: _lead(parts, pad, payloads.get(payload))
        )
        _join(source.received, parting.get_static_pad("sink"))
        _join(last.get_static_pad("src"), sink.sends)
        parts.sync_state_with_parent()
        source.open()

    def _changed(self, number: int, found: bool) -> None:
        if found:
            self._tell(Reached(self._name, number))
        else:
            self._tell(Ended(self._name, f"ICE has found no way to the other end of leg {number}"))

    def _failed(self, _: Any, message: Any) -> None:  # Any: as above
        error, _detail = message.parse_error()
        words = "".join(one if one.isprintable() else " " for one in error.message)
        self._tell(Ended(self._name, f"{message.src.get_name()}: {words}"[:500]))

    def _heard(self, _: Any, message: Any) -> None:  # Any: as above
        said = message.get_structure()
        number = self._digit_legs.get(message.src.get_name())
        if number is None or said.get_name() != "dtmf-event":
            return
        event = said.get_value("number")
        if 0 <= event < len(DIGITS):
            self._tell(Digit(self._name, number, digit=DIGITS[event]))

    def figures(self) -> Measured:
        """Count what has passed each leg."""
        return Measured(tuple(leg.figures() for leg in self._legs))

    def close(self) -> None:
        """End it, and give its ports back."""
        self._pipeline.get_bus().remove_signal_watch()
        self._pipeline.set_state(Gst.State.NULL)
        self._handlers.clear()
        while self._legs:
            self._legs.pop().close()


def _changing(parts: Any, one: Codec, other: Codec) -> tuple[Any, Any]:  # Any: as above
    """Build what decodes one codec and encodes another; give its first element and its last."""
    kinds = (
        "rtpjitterbuffer",
        *_DECODE[one.name],
        "audioconvert",
        "audioresample",
        "capsfilter",
        *_ENCODE[other.name],
    )
    chain = [_made(parts, kind) for kind in kinds]
    chain[0].props.latency = JITTER_MS
    chain[-3].props.caps = Gst.Caps.from_string(f"{_PLAIN_SOUND},rate={CLOCKS[other.name]}")
    chain[-1].props.pt = other.payload
    for before, behind in pairwise(chain):
        before.link(behind)
    return chain[0], chain[-1]


def _lead(parts: Any, pad: Any, to: Any) -> None:  # Any: as above
    """Lead packets of one payload type on, in a thread of the stream; those of an unknown one are dropped."""
    if to is None:
        to = _made(parts, "fakesink", sync=False, **{"async": False})
        to.sync_state_with_parent()
    sink = to.request_pad_simple("sink_%u") if to.get_factory().get_name() == "funnel" else to.get_static_pad("sink")
    pad.link(sink)
