"""One user whom up to a thousand people watch, with five devices that come and go."""

from typing import Final

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.presence.model.levels import MemberChange
from lyncpy.workloads.presence.model.tables import Container, ContainerMember, InstanceKey, MemberKind
from tests.kit.actors import MEMBERS_TYPE, PUBLISH_TYPE
from tests.kit.lookouts import Device, Lookout
from tests.kit.presence import USER_INSTANCE, note, publication, publish_body, state
from tests.kit.presence_model import Truth
from tests.kit.soak import many
from tests.kit.stage import DOMAIN, Stage

WATCHERS: Final = min(1000, many(510))
"""A thousand in the soak. Timers and board tables work in slices of 500: that there is more than one, is what counts."""
ALICE: Final = Aor(f"sip:alice@{DOMAIN}")
LEVELS: Final = (100, 200, 300, 400, 32000)
CATEGORIES: Final = frozenset({"state", "note", "contactCard", "services"})


class Play:
    """A stage with Alice, her devices and everybody who watches her."""

    def __init__(self, stage: Stage) -> None:
        """Hire them all, and have each watch Alice."""
        self.stage = stage
        names = [f"w{number}" for number in range(WATCHERS)]
        stage.directory.people += [stage.someone(name) for name in names]
        stage.pulls()
        self.truth = Truth({one.aor: one for one in stage.directory.people})
        self.desks = [Device(stage, self.truth, "alice", number + 1) for number in range(5)]
        self.desks[0].signs_in()
        self.watchers = [Device(stage, self.truth, name, 10 + number) for number, name in enumerate(names)]
        for watcher in self.watchers:
            self.watches(watcher)

    def watches(self, watcher: Device) -> None:
        """Sign in and watch Alice."""
        watcher.signs_in()
        self.truth.board(ALICE, self.stage.wall())
        assert (
            watcher.watches(Lookout("presence", watcher.aor, self.truth), [ALICE], "1", CATEGORIES, expires=None).status
            == 200
        )
        self.truth.began(watcher.aor, ALICE, self.stage.wall())

    def asks(self, device: Device, content_type: str, body: bytes) -> None:
        """Have a device ask for something that is granted."""
        exchange = device.serves(content_type, body)
        self.stage.settle()
        assert exchange.status == 200

    def publishes(self, device: Device, number: int, text: str = "") -> None:
        """Publish what a machine and its user say, and notes for two levels."""
        mine = int(device.epid[:8], 16) >> 4 | 0x30000000
        rows = [(("state", mine, one), state("machineState", number), "endpoint") for one in (2, 3)]
        rows += [(("state", USER_INSTANCE, one), state("userState", number, manual=True), "static") for one in (2, 3)]
        rows += [(("note", 0, one), note(f"{text} for {one}"), "static") for one in (200, 400) if text]
        known = self.truth.boards[ALICE].instances
        versions = [known[InstanceKey(*key)].version if InstanceKey(*key) in known else 0 for key, *_ in rows]
        body = publish_body(
            ALICE,
            *(
                publication(*key, value, expire, version)
                for (key, value, expire), version in zip(rows, versions, strict=True)
            ),
        )
        assert self.truth.publishes(ALICE, device.epid, body, self.stage.wall()) == 200
        self.asks(device, PUBLISH_TYPE, body)

    def places(self, device: Device, level: int, watchers: list[Device]) -> None:
        """Put many people into a level at once."""
        version = self.truth.boards[ALICE].containers.get(level, Container()).version
        who = frozenset(ContainerMember(MemberKind.USER, one.aor.removeprefix("sip:")) for one in watchers)
        rows = "".join(f'<member action="add" type="user" value="{one.value}"/>' for one in who)
        body = (
            '<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">'
            f'<container id="{level}" version="{version}">{rows}</container></setContainerMembers>'
        )
        change = MemberChange(level, version, who, frozenset())
        assert self.truth.sets_members(ALICE, [change], self.stage.wall()) == 200
        self.asks(device, MEMBERS_TYPE, body.encode())

    def is_right(self) -> None:
        """Let it come to rest; everybody has to know what he may see, and has heard nothing else."""
        self.stage.settle()
        self.truth.rests()
        self.stage.passes(0.2)
        views = set()
        for watcher in self.watchers:
            for lookout in watcher.lookouts:
                lookout.is_up_to_date()
                views.add(tuple(sorted(lookout.heard[ALICE].items())))
        assert len(views) == len({self.seen(one) for one in self.watchers})
        for desk in self.desks:
            if desk.mirror is not None:
                desk.mirror.is_up_to_date()

    def seen(self, watcher: Device) -> object:
        """Give what a watcher may see."""
        return tuple((name, self.truth.view(watcher.aor, ALICE, name)) for name in sorted(CATEGORIES))


@pytest.mark.untraced
@pytest.mark.steady_clock  # its minutes are spent on the crowd
def test_very_many_watchers_of_one_user_are_all_right() -> None:
    """At five levels, while her devices come and go and the server is killed, everybody sees what his level shows."""
    limits = {"unauthenticated_per_address": 5000}
    with Stage.opened(presence={"members_per_container": 1000}, limits=limits) as stage:
        play = Play(stage)
        desk, *others = play.desks
        for index, level in enumerate(LEVELS):
            play.places(desk, level, play.watchers[index :: len(LEVELS) + 1])
        play.publishes(desk, 3500, "here")
        play.is_right()
        assert len({play.seen(one) for one in play.watchers}) >= 4

        for number, other in zip((6500, 5000, 9500, 12500), others, strict=True):
            other.signs_in()
            play.publishes(other, number, f"at {number}")
        play.is_right()
        others[0].signs_out()
        others[1].is_cut_off()
        desk.is_cut_off()
        play.publishes(others[2], 3500)
        play.is_right()
        others[2].is_cut_off()
        others[3].signs_out()
        play.is_right()

        stage.kill()
        play.truth.dies()
        stage.start()
        for watcher in play.watchers:
            play.watches(watcher)
        desk.signs_in()
        play.publishes(desk, 6500, "back")
        play.is_right()
        assert all(one.lookouts[0].documents >= 2 for one in play.watchers if one.lookouts[0].heard[ALICE]["note"])
