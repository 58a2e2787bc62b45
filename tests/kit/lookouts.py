"""Devices that watch, and hold each document that they get against what its reader may see.

A device signs, checks signatures and keeps its dialogs as real clients do (`tests.kit.sip_client`),
but several subscriptions of one event at a time. What it may see is in a `Truth`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from lyncpy.contracts.names import Aor, Epid, aor_of
from lyncpy.sip.body import read_multipart
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Request, Response
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat
from tests.kit.deployment import password_of
from tests.kit.presence import SELF, batch_body
from tests.kit.presence_model import Truth, View, canonical
from tests.kit.sip_client import Exchange, SipClient
from tests.kit.stage import DOMAIN, Stage

BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"
SELF_TYPE: Final = "application/vnd-microsoft-roaming-self+xml"
ALL_OF_ONESELF: Final = (
    '<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self">'
    + "".join(f'<roaming type="{part}"/>' for part in ("categories", "containers", "subscribers", "delegates"))
    + "</roamingList>"
).encode()

LATE_S: Final = 30.0
"""How late a device may read what extended its subscription."""

_EXTENSIONS: Final = ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")


@dataclass(eq=False)
class Lookout:
    """One subscription of a device.

    Attributes:
        watcher: Who looks.
        truth: What he may see.
        wishes: Whom he watches: action → categories, of each.
        form: In which format.
        heard: What he was told last, by category.
        seen: The same in an old format.
        until: When the subscription ends unless something is heard.
        marks: Where in the history of each board he has stopped reading; empty while he reads.
    """

    event: str
    watcher: Aor
    truth: Truth
    form: PresenceFormat = PresenceFormat.CATEGORIES
    wishes: dict[Aor, dict[str, frozenset[str]]] = field(default_factory=dict)
    heard: dict[Aor, dict[str, View]] = field(default_factory=dict)
    seen: dict[Aor, bytes] = field(default_factory=dict)
    dialog: Dialog | None = None
    lasts_s: int = 0
    until: float = 0.0
    is_over: bool = False
    documents: int = 0
    marks: dict[Aor, int] = field(default_factory=dict)

    def categories(self, aor: Aor) -> frozenset[str]:
        """Give what is watched of somebody."""
        return frozenset().union(*self.wishes.get(aor, {}).values())

    def hears(self, content_type: str, body: bytes) -> None:
        """Take a document, which must not tell what its reader may not see."""
        parts = [(content_type, body)]
        if content_type.startswith("multipart/"):
            parts = [(one.content_type, one.body) for one in read_multipart(body, content_type)]
        for kind, part in parts:
            if kind == PresenceFormat.CATEGORIES.value:
                self._sees(etree.fromstring(part))
            elif kind == self.form.value:
                self._sees_old(part)

    def _sees(self, document: Any) -> None:  # Any: lxml's tree
        self.documents += 1
        aor = aor_of(document.get("uri"))
        told: dict[str, list[tuple[str, str]]] = {}
        for one in document:
            rows = told.setdefault(one.get("name"), [])
            if one.get("instance") is not None:
                value = next((etree.tostring(child, with_tail=False).decode() for child in one), "")
                rows.append((one.get("instance"), canonical(value)))
        for category, rows in told.items():
            found = tuple(rows)
            allowed = self.truth.views(self.watcher, aor, category, self.marks.get(aor))
            assert found in allowed, f"{self.watcher} is told of the {category} of {aor}: {found}, not {allowed}"
            self.heard.setdefault(aor, {})[category] = found

    def _sees_old(self, body: bytes) -> None:
        self.documents += 1
        (aor,) = self.wishes
        allowed = self.truth.legacies(self.watcher, aor, self.form, self.marks.get(aor))
        assert body in allowed, f"{self.watcher} is told of {aor}: {body!r}, not {allowed}"
        self.seen[aor] = body

    def is_up_to_date(self) -> None:
        """Insist that what was told last is what there is to see."""
        for aor in self.wishes:
            if self.form is not PresenceFormat.CATEGORIES:
                assert self.seen.get(aor) == self.truth.legacy(self.watcher, aor, self.form), (self.watcher, aor)
                continue
            for category in self.categories(aor):
                told = self.heard.get(aor, {}).get(category)
                wanted = self.truth.view(self.watcher, aor, category)
                assert told == wanted, f"{self.watcher} has last heard of the {category} of {aor}: {told}, not {wanted}"


@dataclass(eq=False)
class Mirror(Lookout):
    """A user's own data at one of his devices, as `roamingData` keeps it up to date."""

    versions: dict[tuple[str, int, int], int] = field(default_factory=dict)
    containers: dict[int, tuple[int, frozenset[tuple[str, str]]]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    delegates: tuple[int, frozenset[str]] = (0, frozenset())

    def hears(self, content_type: str, body: bytes) -> None:
        """Take a document; each category that it names is whole."""
        self.documents += 1
        root: Any = etree.fromstring(body)  # Any: lxml's tree
        rows = [one for block in root.findall("{*}categories") for one in block]
        named = {one.get("name") for one in rows}
        for key in [key for key in self.versions if key[0] in named]:
            del self.versions[key]
        for one in rows:
            if one.get("instance") is not None:
                key = (one.get("name"), int(one.get("instance")), int(one.get("container")))
                self.versions[key] = int(one.get("version"))
        for one in root.findall("{*}containers/{*}container"):
            members = frozenset((member.get("type"), member.get("value") or "") for member in one)
            self.containers[int(one.get("id"))] = (int(one.get("version")), members)
        for one in root.findall("{*}subscribers/{*}subscriber"):
            (self.waiting.discard if one.get("acknowledged") == "true" else self.waiting.add)(one.get("user"))
        for block in root.findall("{*}delegates"):
            self.delegates = (int(block.get("version")), frozenset(one.get("uri") for one in block))

    def is_up_to_date(self) -> None:
        """Insist that the device could publish, set levels and ask about watchers without a fault."""
        board = self.truth.boards[self.watcher]
        right = {tuple(key): one.version for key, one in board.instances.items()}
        assert self.versions == right, (self.watcher, set(self.versions.items()) ^ set(right.items()))
        lists = {
            id_: (one.version, frozenset((member.kind.value, member.value) for member in one.members))
            for id_, one in board.containers.items()
        }
        assert {id_: one for id_, one in self.containers.items() if one != (0, frozenset())} == lists
        waiting = {one.aor.removeprefix("sip:") for one in board.subscribers if not one.acknowledged}
        assert self.waiting == waiting, (self.watcher, self.waiting, waiting)
        members = frozenset(one.aor.removeprefix("sip:") for one in board.delegates.members)
        assert self.delegates == (board.delegates.version, members)


class Device:
    """One device of somebody.

    Attributes:
        sip: Its SIP.
        lookouts: Its subscriptions to presence, oldest first.
        mirror: Its subscription to its user's own data.
        is_deaf: Whether it does not read.
    """

    def __init__(self, stage: Stage, truth: Truth, user: str, number: int) -> None:
        """Take a device that is not connected."""
        self.stage = stage
        self.truth = truth
        self.sip = SipClient(
            stage.network,
            user,
            DOMAIN,
            password=password_of(user),
            number=number,
            address=f"10.1.0.{number}",
            passes=lambda _: stage.settle(),
            wall=stage.wall,
        )
        self.sip.answers["BENOTIFY"] = self._told
        self.aor: Final = aor_of(self.sip.aor)
        self.epid: Final = Epid(self.sip.epid)
        self.lookouts: list[Lookout] = []
        self.mirror: Mirror | None = None
        self.registered = 0.0
        self.is_deaf = False

    @property
    def is_on(self) -> bool:
        """Whether it is signed in."""
        return self.sip.is_connected and self.sip.is_signed_in

    @property
    def subscriptions(self) -> list[Lookout]:
        """Give all that it holds."""
        return [*self.lookouts, *([self.mirror] if self.mirror else [])]

    def signs_in(self) -> None:
        """Connect, register, and ask for the user's own data."""
        self.forgets()
        self.truth.arrives(self.aor, self.epid, self.stage.wall())
        assert self.sip.register().status == 200
        self.registered = self.stage.wall()
        self.truth.board(self.aor, self.stage.wall())
        self.mirror = Mirror(SELF, self.aor, self.truth)
        assert self.asks(self.mirror, ALL_OF_ONESELF, SELF_TYPE).status == 200

    def registers_again(self) -> None:
        """Refresh."""
        assert self.sip.register().status == 200
        self.registered = self.stage.wall()

    def signs_out(self) -> None:
        """Say that it goes, and go."""
        self.is_gone()
        assert self.sip.register(expires=0).status == 200
        self._line().hang_up()
        self.stage.settle()

    def is_cut_off(self) -> None:
        """Lose the connection."""
        self._line().cut()
        self.is_gone()
        self.stage.settle()

    def is_gone(self) -> None:
        """Take leave of what is true only while it is there."""
        self.forgets()
        self.truth.goes(self.aor, self.epid, self.stage.wall())

    def forgets(self) -> None:
        """Hold no subscription any more."""
        self.is_deaf = False
        self.lookouts.clear()
        self.mirror = None

    def _line(self) -> Any:  # Any: there is one
        return self.sip.line

    def stops_reading(self) -> None:
        """Leave what comes in the buffers of the connection."""
        self.is_deaf = True
        for lookout in self.subscriptions:
            lookout.marks = {aor: self.truth.mark(aor) for aor in self.truth.people}
        self._line().stop_reading()

    def reads_again(self) -> None:
        """Read what has come; it may tell what was true at any time since it was not read."""
        self.is_deaf = False
        self._line().read_again()
        self.stage.settle()
        for lookout in self.subscriptions:
            lookout.marks = {}

    def serves(self, content_type: str, body: bytes) -> Exchange:
        """Ask for a service, and wait for nothing; an answer with the user's own data is taken."""
        fields = [("Contact", f"<{self.sip.gruu}>"), ("Content-Type", content_type)]

        def answered(response: Response) -> None:
            if response.status == 200 and response.headers.get("Content-Type") == SELF_TYPE and self.mirror is not None:
                self.mirror.hears(SELF_TYPE, response.body)

        return self.sip.begin(self.sip.request("SERVICE", self.aor, fields, body), on_answer=answered)

    def asks(
        self,
        lookout: Lookout,
        body: bytes = b"",
        content_type: str = "",
        *,
        to: str = "",
        fields: Iterable[tuple[str, str]] = (),
        expires: int | None = None,
    ) -> Exchange:
        """Subscribe, go on in the dialog that there is, or ask once; what the answer tells is held against the truth."""
        lines = [
            ("Event", lookout.event),
            *(("Supported", way) for way in _EXTENSIONS),
            ("Proxy-Require", "ms-benotify"),
            ("Contact", f"<{self.sip.gruu}>"),
            *fields,
            *([] if expires is None else [("Expires", str(expires))]),
            *([("Content-Type", content_type)] if body else []),
        ]
        if lookout.dialog is None:
            request = self.sip.request("SUBSCRIBE", to or self.aor, lines, body)
        else:
            request = lookout.dialog.next_request("SUBSCRIBE", lines, body)
        exchange = self.sip.begin(
            request, branch=lookout.dialog is None, on_answer=lambda response: self._granted(lookout, request, response)
        )
        self.stage.settle()
        return exchange

    def _granted(self, lookout: Lookout, request: Request, response: Response) -> None:
        if response.status != 200:
            return
        if lookout.dialog is None:
            lookout.dialog = Dialog.from_response(request, response)
        lookout.is_over = "active" not in (response.headers.get("subscription-state") or "")
        lookout.lasts_s = response.expires or 0
        lookout.until = self.stage.wall() + lookout.lasts_s
        if response.headers.get("ms-piggyback-cseq") is not None:
            lookout.hears(response.headers.get("Content-Type") or "", response.body)

    def _told(self, request: Request) -> None:
        lookout = next(
            (one for one in self.subscriptions if one.dialog and one.dialog.call_id == request.call_id), None
        )
        assert lookout is not None, f"{self.aor} is told of a subscription that it has not: {request}"
        if "terminated" in (request.headers.get("subscription-state") or ""):
            assert self.stage.wall() > lookout.until - LATE_S, f"{self.aor}: a subscription ends too early"
            lookout.is_over = True
            self._lets_go(lookout)
        if request.body:
            lookout.until = self.stage.wall() + lookout.lasts_s
            lookout.hears(request.headers.get("Content-Type") or "", request.body)

    def _lets_go(self, lookout: Lookout) -> None:
        if lookout is self.mirror:
            self.mirror = None
        else:
            self.lookouts.remove(lookout)

    # --- watching

    def watches(
        self, lookout: Lookout, aors: Iterable[Aor], action: str, categories: frozenset[str], *, expires: int | None
    ) -> Exchange:
        """Have one more action of a batch."""
        body = batch_body(self.aor, aors, categories=sorted(categories), id_=int(action))
        before = {aor: dict(wanted) for aor, wanted in lookout.wishes.items()}
        for aor in aors:
            lookout.wishes.setdefault(aor, {})[action] = categories
        exchange = self.asks(
            lookout, body, BATCH_TYPE, fields=[("Require", "adhoclist, categoryList")], expires=expires
        )
        if exchange.status != 200:
            lookout.wishes = before
        elif lookout not in self.lookouts and not lookout.is_over:
            self.lookouts.append(lookout)
        return exchange

    def unwatches(self, lookout: Lookout, aors: Iterable[Aor], action: str) -> tuple[Exchange, set[Aor]]:
        """End an action of a batch, for some people or all; give whom it watches no longer."""
        body = batch_body(self.aor, aors, action="unsubscribe", id_=int(action))
        before = set(lookout.wishes)
        for aor in list(aors) or list(lookout.wishes):
            wanted = lookout.wishes.get(aor)
            if wanted is None:
                continue
            if action not in wanted and list(aors):
                wanted.clear()
            wanted.pop(action, None)
            if not wanted:
                del lookout.wishes[aor]
        exchange = self.asks(lookout, body, BATCH_TYPE, fields=[("Require", "adhoclist, categoryList")])
        gone = before - set(lookout.wishes)
        for aor in gone:
            lookout.heard.pop(aor, None)
        return exchange, gone
