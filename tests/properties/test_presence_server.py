"""Presence is right after anything: the same operations on a whole server, over real bytes, and on the pure rules.

Three people with up to five devices each, and an old client, publish, set levels, name
delegates, add contacts, watch one another, come, go and are cut off, while time passes,
the disk fails and the server is killed. After every step each watcher must have heard last
what he may see now; no document may ever have told him anything else.

`scripts/test --soak` gives many more plays, and longer ones.
"""

import gc
from collections.abc import Sequence
from typing import Any, Final
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from lyncpy.contracts.names import Aor
from lyncpy.core import timers
from lyncpy.workloads.presence.bodies.legacy import LEGACY_CATEGORIES, PresenceFormat
from lyncpy.workloads.presence.model.levels import MemberChange
from lyncpy.workloads.presence.model.tables import Container, ContainerMember, InstanceKey, MemberKind
from tests.kit import network
from tests.kit.actors import BATCH_TYPE, DELEGATES_TYPE, MEMBERS_TYPE, PUBLISH_TYPE, SOAP_TYPE, SUBSCRIBER_TYPE
from tests.kit.boards import read_record
from tests.kit.fakes import awaited
from tests.kit.lookouts import Device, Lookout
from tests.kit.presence import batch_body, publication, publish_body
from tests.kit.presence_model import Truth
from tests.kit.publications import Wish, containers, lively, publications_of, requests
from tests.kit.results import result_of
from tests.kit.sip_client import Exchange
from tests.kit.soak import TIMES, many
from tests.kit.stage import DOMAIN, Stage

USERS: Final = ("alice", "bob", "carol")
DEVICES: Final = 5
GHOST: Final = Aor(f"sip:ghost@{DOMAIN}")
CATEGORIES: Final = (
    "state",
    "note",
    "contactCard",
    "calendarData",
    "services",
    "device",
    "workingHours",
    "noteHistory",
)
OPTIONS: Final = "http://schemas.microsoft.com/2006/09/sip/options/otherOptions"

users = st.sampled_from(USERS)
slots = st.tuples(users, st.integers(0, DEVICES - 1))
picks = st.integers(0, 1000)
members = st.sampled_from(
    [
        *(ContainerMember(MemberKind.USER, f"{user}@{DOMAIN}") for user in USERS for _ in range(3)),
        ContainerMember(MemberKind.DOMAIN, DOMAIN), ContainerMember(MemberKind.SAME_ENTERPRISE), ContainerMember(MemberKind.FEDERATED),
        ContainerMember(MemberKind.EVERYONE),
    ]
)  # fmt: skip
people = st.lists(st.sampled_from([*USERS, *USERS, "ghost"]), min_size=1, max_size=3, unique=True)
wanted = st.one_of(
    st.just(frozenset({"state", "note", "contactCard", "calendarData"})),
    st.frozensets(st.sampled_from(CATEGORIES), min_size=1),
)


def aor(user: str) -> Aor:
    """Give somebody's address."""
    return Aor(f"sip:{user}@{DOMAIN}")


class Presence(RuleBasedStateMachine):
    """A stage, a truth, and devices that hold one against the other."""

    stage: Stage
    calm_s = 0.1

    @initialize(
        pace=st.sampled_from(["usual", "usual", "at once", "limited"]), present=st.lists(slots, max_size=4, unique=True)
    )
    def opens(self, pace: str, present: list[tuple[str, int]]) -> None:
        """Start a server, and have everybody watch everybody."""
        how: dict[str, object] = {"publications_per_minute": 1_000_000, "publications_burst": 1_000_000}
        if pace == "at once":
            how["gather_ms"] = 0
        elif pace == "limited":
            how = {"publications_per_minute": 6, "publications_burst": 10, "limited_gather_ms": 1000}
            self.calm_s = 1.1
        # To the moment: what is due together within a grain would be one change here and two by the rules.
        # And a connection that is full after two documents, not two hundred.
        self.patches: list[Any] = [  # Any: what mock makes
            mock.patch.object(timers, "GRAINS", ()),
            mock.patch.object(network, "HIGH_WATER_BYTES", 1500),
        ]
        for one in self.patches:
            one.start()
        self.stage = Stage(presence=how, auth={"lifetime_s": 86400.0}, sip={"idle_s": 86400})
        self.stage.passes(0.37)
        known = {one.aor: one for one in self.stage.directory.people}
        self.truth = Truth(known)
        self.devices: dict[tuple[str, int], Device] = {}
        self.is_dead = False
        for slot in dict.fromkeys([*((user, 0) for user in USERS), *present]):
            self._signs_in(slot)
        for user in USERS:
            self._watches(self.devices[user, 0], None, USERS, "1", frozenset(CATEGORIES[:4]), None)

    def teardown(self) -> None:
        """End the server."""
        if hasattr(self, "stage"):
            self.stage.close()
            for one in self.patches:
                one.stop()
            complaints = list(self.stage.unexpected)
            # What a killed server was doing is collected here, where nobody hears it complain, and not in another play.
            self.__dict__.clear()
            gc.collect()
            assert not complaints, complaints

    # --- helpers

    @property
    def now(self) -> float:
        """Give the time."""
        return self.stage.wall()

    def _on(self, *, reads: bool = False) -> list[Device]:
        return [one for one in self.devices.values() if one.is_on and not (reads and one.is_deaf)]

    def _device(self, pick: int) -> Device | None:
        found = self._on(reads=True)
        return found[pick % len(found)] if found else None

    def _rests(self, seconds: float = 0.0) -> None:
        """Let what was begun come to its end; then everything has to be right."""
        self.stage.settle()
        self.truth.rests()
        self._passes(max(self.calm_s, seconds))
        self._all_is_right()

    def _passes(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = self.truth.deadline(self.now)
            if due is None or due > end + 0.01:
                break
            target = due + 0.1
            while due is not None and due <= target:
                self.truth.elapses(due)
                target = due + 0.1  # until watchers have been told
                due = self.truth.deadline(due)
            self.stage.passes(target - self.now)
            self.truth.rests()
        self.stage.passes(max(0.0, end - self.now))

    def _all_is_right(self) -> None:
        for device in self._on(reads=True):
            for one in device.subscriptions:
                one.is_up_to_date()
                assert self.now < one.until + 1, "a subscription outlives its time"
        held = sum(len(device.subscriptions) for device in self._on())
        if not any(one.is_deaf for one in self._on()):
            assert len(self.stage.ground.notifier) == held
        assert (
            len(self.stage.ground.registrations.own) == len(self._on()) == sum(map(len, self.truth.endpoints.values()))
        )

    def _signs_in(self, slot: tuple[str, int]) -> None:
        if slot not in self.devices:
            number = USERS.index(slot[0]) * DEVICES + slot[1] + 1
            self.devices[slot] = Device(self.stage, self.truth, slot[0], number)
        self.devices[slot].signs_in()

    def _watches(
        self,
        device: Device,
        which: int | None,
        names: Sequence[str],
        action: str,
        categories: frozenset[str],
        expires: int | None,
    ) -> None:
        batches = [one for one in device.lookouts if one.form is PresenceFormat.CATEGORIES]
        lookout = Lookout("presence", device.aor, self.truth)
        if which is not None and len(batches) > which % 3:
            lookout = batches[which % 3]
        before = set(lookout.wishes)
        status = 200
        named = [aor(name) for name in names]
        for one in sorted(one for one in named if one in self.truth.people):
            if self.truth.is_broken and one not in self.truth.boards:
                status = 503
                break
            self.truth.board(one, self.now)
        exchange = device.watches(lookout, named, action, categories, expires=expires)
        assert exchange.status == status
        if status == 200:
            for one in named:
                if one in self.truth.boards and one not in before:
                    self.truth.began(device.aor, one, self.now)

    def _body(self, device: Device, asked: Sequence[Wish]) -> bytes:
        rows: dict[InstanceKey, str] = {}
        board = self.truth.boards.get(device.aor)
        for wish in asked:
            for key, value, how in publications_of(wish, device.epid, device.sip.instance, self.now):
                old = board.instances.get(key) if board else None
                version = {"right": old.version if old else 0, "none": 0, "wrong": 7}[wish[4]]
                expire, _, extra = how.partition(" ")
                rows[key] = publication(*key, value, expire, version, f" {extra}" if extra else "")
        return publish_body(device.aor, *rows.values())

    def _publishes(self, device: Device, asked: Sequence[Wish]) -> tuple[Exchange, int, Device]:
        body = self._body(device, asked)
        exchange = device.serves(PUBLISH_TYPE, body)
        return exchange, self.truth.publishes(device.aor, device.epid, body, self.now), device

    def _answered(self, done: tuple[Exchange, int, Device]) -> None:
        exchange, status, _ = done
        assert exchange.status == status, (exchange.status, status, exchange.request.body)

    # --- what devices do

    @rule(slot=slots, watches=st.booleans())
    def signs_in(self, slot: tuple[str, int], watches: bool) -> None:
        """A device comes; one that is there loses its connection unnoticed, and comes again."""
        device = self.devices.get(slot)
        if device is not None and device.is_on:
            device.sip.line.vanish()  # type: ignore[union-attr]  # it is connected
        self._signs_in(slot)
        if watches:
            self._watches(self.devices[slot], None, USERS, "1", frozenset(CATEGORIES[:4]), None)
        self._rests()

    @rule(pick=picks)
    def signs_out(self, pick: int) -> None:
        """A device goes."""
        device = self._device(pick)
        if device is not None:
            device.signs_out()
            self._rests()

    @rule(pick=picks)
    def is_cut_off(self, pick: int) -> None:
        """A device loses its connection."""
        found = self._on()
        if found:
            found[pick % len(found)].is_cut_off()
            self._rests()

    @rule(pick=picks)
    def registers_again(self, pick: int) -> None:
        """A refresh changes nothing."""
        device = self._device(pick)
        if device is not None:
            device.registers_again()
            self._rests()

    @rule(pick=picks, asked=requests)
    def publishes(self, pick: int, asked: list[Wish]) -> None:
        """A device publishes several things at once."""
        device = self._device(pick)
        if device is not None:
            done = self._publishes(device, asked)
            self.stage.settle()
            self._answered(done)
            self._rests()

    @rule(
        several=st.lists(st.tuples(picks, requests), min_size=2, max_size=4),
        pause_s=st.sampled_from([0.0, 0.03]),
        at_once=st.booleans(),
    )
    def all_publish(self, several: list[tuple[int, list[Any]]], pause_s: float, at_once: bool) -> None:
        """Devices publish faster than watchers are told, or all in the same moment."""
        done: list[tuple[Exchange, int, Device]] = []
        for pick, asked in several:
            device = self._device(pick)
            if device is None:
                return
            if any(device is one for *_, one in done):
                continue  # a connection that is full of answers is not read, so that others may come first
            done.append(self._publishes(device, asked))
            if not at_once:
                self.stage.settle()
                self._answered(done.pop())
                self.truth.rests()
                self._passes(pause_s)
        self.stage.settle()
        for one in done:
            self._answered(one)
        self._rests()

    @rule(pick=picks, private=st.booleans())
    def wishes_privacy(self, pick: int, private: bool) -> None:
        """Only my contacts see me, or everybody does."""
        device = self._device(pick)
        if device is None:
            return
        word = "private" if private else "public"
        value = f'<otherOptions xmlns="{OPTIONS}"><privacyModeUserSelection>{word}</privacyModeUserSelection></otherOptions>'
        key = InstanceKey("otherOptions", 2, 1)
        old = self.truth.board(device.aor, self.now).instances.get(key)
        body = publish_body(device.aor, publication(*key, value, "static", old.version if old else 0))
        exchange = device.serves(PUBLISH_TYPE, body)
        status = self.truth.publishes(device.aor, device.epid, body, self.now)
        self.stage.settle()
        self._answered((exchange, status, device))
        self._rests()

    def _sets_members(self, pick: int, changes: Sequence[tuple[int, ContainerMember, bool, bool]]) -> None:
        device = self._device(pick)
        if device is None:
            return
        rows, asked = "", []
        board = self.truth.boards.get(device.aor)
        for container, member, adds, right in {one[0]: one for one in changes}.values():
            old = board.containers.get(container, Container()) if board else Container()
            version = old.version if right else old.version + 1
            value = f' value="{member.value}"' if member.value else ""
            action = "add" if adds else "remove"
            rows += (
                f'<container id="{container}" version="{version}">'
                f'<member action="{action}" type="{member.kind.value}"{value}/></container>'
            )
            one = frozenset({member})
            asked.append(MemberChange(container, version, one if adds else frozenset(), frozenset() if adds else one))
        body = f'<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">{rows}</setContainerMembers>'
        exchange = device.serves(MEMBERS_TYPE, body.encode())
        status = self.truth.sets_members(device.aor, asked, self.now)
        self.stage.settle()
        assert exchange.status == status

    @rule(
        pick=picks,
        changes=st.lists(
            st.tuples(containers, members, st.booleans(), st.sampled_from([True] * 5 + [False])), min_size=1, max_size=3
        ),
    )
    def sets_members(self, pick: int, changes: list[tuple[int, ContainerMember, bool, bool]]) -> None:
        """A user changes levels, blocks and unblocks."""
        self._sets_members(pick, changes)
        self._rests()

    @rule(pick=picks, who=users, adds=st.booleans(), right=st.sampled_from([True] * 5 + [False]))
    def sets_delegate(self, pick: int, who: str, adds: bool, right: bool) -> None:
        """A user lets somebody act for him, or no longer."""
        device = self._device(pick)
        if device is None:
            return
        board = self.truth.board(device.aor, self.now)
        version = board.delegates.version + (not right)
        action = "add" if adds else "remove"
        body = (
            f'<setDelegates xmlns="http://schemas.microsoft.com/2007/09/sip/delegate-management" version="{version}">'
            f'<setDelegate uri="{aor(who)}" action="{action}"/></setDelegates>'
        )
        exchange = device.serves(DELEGATES_TYPE, body.encode())
        status = self.truth.sets_delegate(device.aor, version, aor(who), adds, self.now)
        self.stage.settle()
        assert exchange.status == status
        self._rests()

    @rule(pick=picks, who=users)
    def acknowledges(self, pick: int, who: str) -> None:
        """A user answers who began to watch him."""
        device = self._device(pick)
        if device is None:
            return
        body = (
            '<setSubscribers xmlns="http://schemas.microsoft.com/2006/09/sip/presence-subscribers">'
            f'<subscriber user="{who}@{DOMAIN}" acknowledged="true"/></setSubscribers>'
        )
        exchange = device.serves(SUBSCRIBER_TYPE, body.encode())
        status = self.truth.acknowledges(device.aor, aor(who), self.now)
        self.stage.settle()
        assert exchange.status == status
        self._rests()

    @rule(pick=picks, who=users, adds=st.booleans())
    def changes_contacts(self, pick: int, who: str, adds: bool) -> None:
        """A user adds a contact, or takes one off."""
        device = self._device(pick)
        if device is None:
            return
        listed = self.truth.contacts.get(device.aor, frozenset())
        if not adds and aor(who) not in listed:
            return
        fields = f"<m:displayName/><m:groups>1</m:groups><m:subscribed>true</m:subscribed><m:URI>{aor(who)}</m:URI><m:externalURI/>"
        operation, inner = ("setContact", fields) if adds else ("deleteContact", f"<m:URI>{aor(who)}</m:URI>")
        delta = 1 + self.contact_changes.get(device.aor, 0)
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>'
            f"<m:{operation}>{inner}<m:deltaNum>{delta}</m:deltaNum></m:{operation}></s:Body></s:Envelope>"
        )
        exchange = device.serves(SOAP_TYPE, body.encode())
        after = listed | {aor(who)} if adds else listed - {aor(who)}
        self.truth.lists(device.aor, after, self.now)
        self.stage.settle()
        assert exchange.status == 200, exchange.answer
        self.contact_changes[device.aor] = self.contact_changes.get(device.aor, 0) + 1
        self._rests()

    @property
    def contact_changes(self) -> dict[Aor, int]:
        """Give how often each list was changed: its number."""
        found: dict[Aor, int] = self.__dict__.setdefault("_contact_changes", {})
        return found

    # --- watching

    @rule(
        pick=picks,
        which=st.integers(0, 2),
        names=people,
        action=st.sampled_from("12"),
        categories=wanted,
        expires=st.sampled_from([None, 1200]),
    )
    def watches(
        self, pick: int, which: int, names: list[str], action: str, categories: frozenset[str], expires: int | None
    ) -> None:
        """A device watches more people, or the same for something else, in one of its subscriptions."""
        device = self._device(pick)
        if device is not None:
            self._watches(device, which, names, action, categories, expires)
            self._rests()

    @rule(pick=picks, which=picks, names=st.one_of(st.just([]), people), action=st.sampled_from("12"))
    def unwatches(self, pick: int, which: int, names: list[str], action: str) -> None:
        """A device lets people go."""
        device = self._device(pick)
        batches = [one for one in device.lookouts if one.form is PresenceFormat.CATEGORIES] if device else []
        if device is None or not batches:
            return
        lookout = batches[which % len(batches)]
        exchange, gone = device.unwatches(lookout, [aor(name) for name in names], action)
        assert exchange.status == 200
        others = {
            one for other in self._on() if other.aor == device.aor for watch in other.lookouts for one in watch.wishes
        }
        for one in gone - others:
            if one in self.truth.people:
                self.truth.ended(device.aor, one, self.now)
        self._rests()

    @rule(pick=picks, which=picks, ends=st.booleans())
    def refreshes(self, pick: int, which: int, ends: bool) -> None:
        """A subscription is refreshed, which tells all anew, or ended."""
        device = self._device(pick)
        if device is None or not device.lookouts:
            return
        lookout = device.lookouts[which % len(device.lookouts)]
        lookout.heard.clear()
        lookout.seen.clear()
        if ends:
            device.lookouts.remove(lookout)
        assert device.asks(lookout, expires=0 if ends else None).status == 200
        self._rests()

    @rule(pick=picks, names=people, categories=wanted)
    def polls(self, pick: int, names: list[str], categories: frozenset[str]) -> None:
        """A device looks once."""
        device = self._device(pick)
        if device is None:
            return
        for name in names:
            if aor(name) in self.truth.people:
                self.truth.board(aor(name), self.now)
        lookout = Lookout("presence", device.aor, self.truth, wishes={aor(name): {"": categories} for name in names})
        body = batch_body(device.aor, [aor(name) for name in names], categories=sorted(categories))
        exchange = device.asks(lookout, body, BATCH_TYPE, expires=0)
        assert exchange.status == 200
        lookout.is_up_to_date()
        self._rests()

    @rule(
        pick=picks,
        who=users,
        form=st.sampled_from([PresenceFormat.PRESENTITY, PresenceFormat.PIDF, PresenceFormat.XPIDF]),
    )
    def watches_as_of_old(self, pick: int, who: str, form: PresenceFormat) -> None:
        """A client of old watches somebody in its own format."""
        device = self._device(pick)
        if device is None or len(device.lookouts) > 5:
            return
        self.truth.board(aor(who), self.now)
        lookout = Lookout("presence", device.aor, self.truth, form, {aor(who): {"": LEGACY_CATEGORIES}})
        assert device.asks(lookout, to=aor(who), fields=[("Accept", form.value)]).status == 200
        device.lookouts.append(lookout)
        self.truth.began(device.aor, aor(who), self.now)
        self._rests()

    @rule(pick=picks, several=st.lists(st.tuples(picks, requests), max_size=6), reads=st.booleans())
    def stops_reading(self, pick: int, several: list[tuple[int, list[Any]]], reads: bool) -> None:
        """A device is too slow for what the others say; it must not fill the server, and not be left behind."""
        device = self._device(pick)
        if device is None:
            return
        device.stops_reading()
        for other, asked in several:
            self.publishes(other, asked)
        if reads:
            self._all_read()

    @rule()
    def all_read_again(self) -> None:
        """Whoever was too slow hears the latest of everybody."""
        self._all_read()

    def _all_read(self) -> None:
        for device in self._on():
            if device.is_deaf:
                device.reads_again()
        self._rests()

    # --- what happens to all

    @rule(seconds=st.sampled_from([1, 20, 20, 90, 700, 1500]))
    def time_passes(self, seconds: int) -> None:
        """Meetings begin and end, states and subscriptions lapse."""
        if seconds > 1:
            self._all_read()
        if seconds > 100:
            for device in self._on():
                if self.now - device.registered > 3600:
                    device.registers_again()
        self._rests(float(seconds))

    @rule(back=st.lists(slots, max_size=5, unique=True), watch=st.booleans())
    def is_killed(self, back: list[tuple[str, int]], watch: bool) -> None:
        """The server is killed and started again; some clients come back."""
        self.stage.kill()
        self._starts_again(back, watch)

    def _starts_again(self, back: Sequence[tuple[str, int]], watch: bool) -> None:
        self.truth.dies()
        for device in self.devices.values():
            device.forgets()
        self.stage.start()
        for slot in back:
            self._signs_in(slot)
            if watch:
                self._watches(self.devices[slot], None, USERS, "1", frozenset(CATEGORIES[:4]), None)
        self._rests()

    @rule(first=slots, second=slots, asked=st.one_of(lively, requests))
    def the_disk_is_slow(self, first: tuple[str, int], second: tuple[str, int], asked: list[Any]) -> None:
        """Somebody watches people one of whom is still being read while another publishes."""
        if first[0] == second[0]:
            return
        self.is_killed([first, second], False)
        watcher, other = self.devices[first], self.devices[second]
        lookout = Lookout("presence", watcher.aor, self.truth)
        lookout.wishes = {aor(user): {"1": frozenset(CATEGORIES)} for user in USERS}
        watcher.lookouts.append(lookout)
        self.stage.disk.slow_down()
        body = batch_body(watcher.aor, lookout.wishes, categories=CATEGORIES, id_=1)
        exchange = watcher.asks(lookout, body, BATCH_TYPE, fields=[("Require", "adhoclist, categoryList")])
        assert exchange.is_pending
        done = self._publishes(other, asked)
        self.stage.settle()
        due = self.truth.deadline(self.now)
        if due is None or due > self.now + 2 * self.calm_s:
            self.stage.passes(self.calm_s)
        for one in lookout.wishes:
            self.truth.board(one, self.now)
        self.stage.disk.catch_up()
        self.stage.settle()
        assert exchange.status == 200
        self._answered(done)
        for one in lookout.wishes:
            self.truth.began(watcher.aor, one, self.now)
        self._rests()

    @rule(
        pick=picks,
        asked=st.lists(requests, min_size=1, max_size=2),
        written=st.integers(0, 2),
        back=st.lists(slots, min_size=1, max_size=5, unique=True),
    )
    def is_killed_while_it_writes(self, pick: int, asked: list[Any], written: int, back: list[tuple[str, int]]) -> None:
        """What had an answer is there; what had none is there in full, or not at all."""
        device = self._device(pick)
        if device is None:
            return
        stored = [self.truth.stored.get(device.aor)]
        self.stage.disk.slow_down()
        done = []
        for one in asked:
            done.append(self._publishes(device, one))
            stored.append(self.truth.stored.get(device.aor))
        self.stage.settle()
        for _ in range(min(written, len(self.stage.disk))):
            self.stage.disk.do_one()
            self.stage.settle()
        # A client is told nothing that is not true: an answer that is 200 stands for what is stored.
        certain = max((index for index, (exchange, *_) in enumerate(done, 1) if not exchange.is_pending), default=0)
        owner = self.stage.ground.tables.people.owners.owner(device.aor)
        self.stage.kill()
        self.stage.disk.lose()
        record = result_of(awaited(self.stage.store.read("board", owner)))
        found = read_record(device.aor, record.value) if record is not None else None
        fitting = [one for one in stored[certain:] if _same(one, found)]
        assert fitting, (certain, found, stored)
        if fitting[0] is not None:
            self.truth.stored[device.aor] = fitting[0]
        else:
            self.truth.stored.pop(device.aor, None)
        self._starts_again(back, True)

    @rule(
        several=st.lists(st.tuples(picks, requests), min_size=1, max_size=4),
        level=st.tuples(picks, containers, members, st.booleans()),
        cut=st.booleans(),
    )
    def the_disk_fails(
        self, several: list[tuple[int, list[Any]]], level: tuple[int, int, ContainerMember, bool], cut: bool
    ) -> None:
        """While nothing can be written, what has to be kept is refused, and nobody is told of it."""
        self._all_read()
        self.stage.disk.broken = self.truth.is_broken = True
        for pick, asked in several:
            device = self._device(pick)
            if device is None:
                break
            done = self._publishes(device, asked)
            self.stage.settle()
            self._answered(done)
            self.truth.rests()
        self._sets_members(level[0], [(level[1], level[2], level[3], True)])
        device = self._device(level[0])
        if device is not None:
            self._watches(device, None, USERS, "1", frozenset(CATEGORIES[:4]), None)
            if cut:
                device.is_cut_off()
        self.stage.settle()
        self.stage.disk.broken = self.truth.is_broken = False
        self._rests(61.0)

    @rule(pick=picks)
    def nothing_is_wrong_with_a_newcomer(self, pick: int) -> None:
        """Who watches anew is told what those know who have watched all the time."""
        device = self._device(pick)
        if device is not None and len(device.lookouts) < 6:
            self._watches(device, None, [*USERS, "ghost"], "1", frozenset(CATEGORIES), None)
            self._rests()


def _same(one: Any, other: Any) -> bool:  # Any: boards, or None
    if one is None or other is None:
        return one is other
    return bool(
        {key: (each.version, each.value) for key, each in one.instances.items()}
        == {key: (each.version, each.value) for key, each in other.instances.items()}
        and one.containers == other.containers
        and one.version == other.version
    )


Presence.TestCase.settings = settings(
    max_examples=many(40),
    stateful_step_count=50 if TIMES > 1 else 30,
    suppress_health_check=list(HealthCheck),
)
TestPresence = Presence.TestCase


def test_who_begins_to_watch_while_somebody_changes_misses_nothing() -> None:
    """Bob's client asks for all of them; until Carol has been read, Alice is another."""
    play = Presence()
    play.opens(pace="usual", present=[])
    play.the_disk_is_slow(("bob", 0), ("alice", 0), [("machine", 3500, 200, "endpoint", "right")])
    play.the_disk_is_slow(("bob", 0), ("alice", 0), [("machine", 6500, 200, "endpoint", "right")])
    play.teardown()
