"""What clients say about presence, and a room to say it in."""

from collections.abc import Iterable, Sequence
from typing import Any

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, Interest
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import ContactsChanged, EndpointGone, EndpointGoneReason, PoliciesChanged
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Instance, aor_of
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.sip.body import read_multipart
from lyncpy.sip.message import Response
from lyncpy.sip.uri import Uri
from lyncpy.workloads.presence.service import Presence
from lyncpy.workloads.presence.settings import Settings
from tests.kit.hall import DOMAIN, Device, Hall, tree
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of

SELF = "vnd-microsoft-roaming-self"
ROAMING_LIST = (
    b'<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><roaming type="categories"/>'
    b'<roaming type="containers"/><roaming type="subscribers"/></roamingList>'
)
STATE_NS = "http://schemas.microsoft.com/2006/09/sip/state"
USER_INSTANCE = 0x20000000
CONTACT_CONTEXT = (
    '<subscriptionContext xmlns="http://schemas.microsoft.com/2008/09/sip/SubscriptionContext" majorVersion="1"'
    ' minorVersion="0"><watcher><contactList/></watcher></subscriptionContext>'
)
"""How a client of Lync says that somebody is on the watcher's contact list."""


class Everybody(Interest):
    """The interest of who hears of all."""

    def __contains__(self, key: object) -> bool:
        """Want it."""
        return True


@implementer(ILocator)
class FewEndpoints:
    """Endpoints that a test signs in and out."""

    def __init__(self) -> None:
        self.found: list[Endpoint] = []
        self.known_of = Everybody()

    async def endpoints(self, aor: Aor) -> Sequence[Endpoint]:
        """Give a user's endpoints."""
        return [one for one in self.found if one.aor == aor]

    async def by_uri(self, uri: Uri) -> Endpoint | None:
        """Give the endpoint of a GRUU."""
        return next((one for one in self.found if one.gruu == str(uri)), None)

    def all_endpoints(self) -> Sequence[Endpoint]:
        """Give all."""
        return tuple(self.found)


@implementer(IContacts)
class FewContacts:
    """Contact lists that a test writes."""

    def __init__(self, bus: IBus) -> None:
        self._bus = bus
        self._lists: dict[Aor, frozenset[Aor]] = {}
        self.read: list[Aor] = []
        """Whose list was read, in order."""

    async def contacts_of(self, owner: Aor) -> frozenset[Aor]:
        """Give everybody on a user's list."""
        self.read.append(owner)
        return self._lists.get(owner, frozenset())

    def have(self, user: str, *contacts: str) -> None:
        """Give a user these contacts and no others."""
        owner = aor_of(f"{user}@{DOMAIN}")
        self._lists[owner] = frozenset(aor_of(f"{one}@{DOMAIN}") for one in contacts)
        self._bus.tell(ContactsChanged(owner, 1, b"", None))


@implementer(IPolicies)
class FewPolicies:
    """Policies that a test sets."""

    def __init__(self, bus: IBus) -> None:
        self._bus = bus
        self._own: dict[Aor, Policy] = {}

    def policy_of(self, aor: Aor) -> Policy:
        """Give a user's policy."""
        return self._own.get(aor, Policy())

    def have(self, user: str, policy: Policy) -> None:
        """Give a user a policy of their own."""
        self._own[aor_of(f"{user}@{DOMAIN}")] = policy
        self._bus.tell(PoliciesChanged())


class PresenceRoom:
    """A hall with presence in it."""

    def __init__(self, people: Iterable[Person], **settings: Any) -> None:
        """Open presence."""
        self.hall = Hall(people)
        self.endpoints = FewEndpoints()
        self.contacts = FewContacts(self.hall.bus)
        self.policies = FewPolicies(self.hall.bus)
        self.settings = Settings(**settings)
        self.meter = MemoryMeter()
        self._crowd = 0
        self.workload = self.opened()

    def opened(self) -> Presence:
        """Build and open the workload; again after a restart."""
        hall = self.hall
        platform = hall.platform(locator=self.endpoints, policies=self.policies, meter=self.meter)
        workload = Presence(platform, hall.signaling(), self.contacts, (DOMAIN,), self.settings)
        hall.take(workload)
        return workload

    def sign_in(self, user: str, epid: str = "abb2cb12b77f") -> "Client":
        """Give a device of a user that is signed in."""
        device = self.hall.device(user, epid)
        self.endpoints.found.append(
            Endpoint(
                aor=device.who.aor,
                epid=device.who.epid,
                instance=Instance(""),
                gruu=f"{device.uri};opaque=user:epid:{epid};gruu",
                contact="",
                flow=device.flow,
                user_agent="Test",
                since=0.0,
                expires=1e9,
                address="127.0.0.1",
            )
        )
        return Client(self, device)

    def sign_out(self, client: "Client") -> None:
        """Have an endpoint vanish, as the registrar tells it."""
        who = client.device.who
        endpoint = next(e for e in self.endpoints.found if e.aor == who.aor and e.epid == who.epid)
        self.endpoints.found.remove(endpoint)
        last = all(one.aor != who.aor for one in self.endpoints.found)
        self.hall.bus.tell(EndpointGone(who.aor, who.epid, endpoint.flow, EndpointGoneReason.CONNECTION_LOST, last))
        self.pass_time()

    def crowd_memory(self) -> None:
        """Have the boards of people who are signed out leave the memory, because those of as many others are read."""
        most = self.settings.boards_in_memory
        crowd = people(*(f"crowd{number}" for number in range(self._crowd, self._crowd + most)))
        self._crowd += most
        self.hall.people.people.extend(crowd)
        for person in crowd:
            result_of(self.workload.boards.read(person.aor))

    def pass_time(self, seconds: float = 1.0) -> None:
        """Let everything happen that is due."""
        for _ in range(20):
            self.hall.clock.advance(0)
        self.hall.clock.advance(seconds)
        for _ in range(20):
            self.hall.clock.advance(0)


class Client:
    """A client that publishes and watches as the real one does."""

    def __init__(self, room: PresenceRoom, device: Device) -> None:
        self.room = room
        self.device = device
        self._told = 0

    def sees_itself(self) -> Response:
        """Subscribe to its own data."""
        return self.device.subscribe(SELF, ROAMING_LIST, content_type="application/vnd-microsoft-roaming-self+xml")

    def publishes(self, *publications: str, to: str = "") -> Response:
        """Publish, and let everybody hear of it."""
        uri = to or self.device.uri
        response = self.device.service(
            "application/msrtc-category-publish+xml", publish_body(uri, *publications), to=to
        )
        self.room.pass_time()
        return response

    def comes_online(self, availability: int = 3500, versions: int = 0) -> Response:
        """Publish what a client publishes at first: device, machineState and userState."""
        return self.publishes(
            publication("device", 1, 2, "<device/>", expire="endpoint", version=versions),
            *self.states(availability, versions),
        )

    def states(self, availability: int, version: int = 0, machine: int | None = None) -> list[str]:
        """Give the publications of a status change."""
        number = int(self.device.who.epid[:8].ljust(8, "0"), 16) >> 4 | 0x30000000
        mine = state("machineState", availability if machine is None else machine)
        user = state("userState", availability, manual=True)
        return [
            *(publication("state", number, container, mine, "endpoint", version) for container in (2, 3)),
            *(publication("state", USER_INSTANCE, container, user, "static", version) for container in (2, 3)),
        ]

    def allows(self, container: int, version: int, *members: str) -> Response:
        """Change who belongs to a container."""
        body = (
            '<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">'
            f'<container id="{container}" version="{version}">{"".join(members)}</container></setContainerMembers>'
        )
        response = self.device.service("application/msrtc-setcontainermembers+xml", body.encode())
        self.room.pass_time()
        return response

    def watches(self, *users: str, expires: int | None = None) -> Response:
        """Watch people, in one batch."""
        body = batch_body(self.device.uri, [user if ":" in user else f"sip:{user}@{DOMAIN}" for user in users])
        return self.device.subscribe(
            "presence", body, content_type="application/msrtc-adrl-categorylist+xml", expires=expires
        )

    def hears(self) -> list[Any]:
        """Give the documents that came since it listened last, parsed."""
        news = self.device.heard[self._told :]
        self._told += len(news)
        return [tree(request.body) for request in news]

    def hears_of_others(self) -> list[Any]:
        """Give only those about other people."""
        return [one for one in self.hears() if one.tag == "categories"]


def state(kind: str, availability: int, *, manual: bool = False, inner: str = "", attributes: str = "") -> str:
    """Write a state as a client does."""
    return (
        f'<state xmlns="{STATE_NS}" manual="{str(manual).lower()}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:type="{kind}"{attributes}><availability>{availability}</availability><endpointLocation/>{inner}</state>'
    )


def note(text: str) -> str:
    """Write a personal note."""
    return (
        f'<note xmlns="http://schemas.microsoft.com/2006/09/sip/note"><body type="personal" uri="">{text}</body></note>'
    )


def publication(
    category: str,
    instance: int,
    container: int,
    value: str = "",
    expire: str = "static",
    version: int = 0,
    extra: str = "",
) -> str:
    """Write one publication."""
    return (
        f'<publication categoryName="{category}" instance="{instance}" container="{container}" version="{version}"'
        f' expireType="{expire}"{extra}>{value}</publication>'
    )


def publish_body(uri: str, *publications: str) -> bytes:
    """Write a publish document."""
    return (
        '<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">'
        f'<publications uri="{uri}">{"".join(publications)}</publications></publish>'
    ).encode()


def batch_body(
    owner: str,
    uris: Iterable[str],
    *,
    action: str = "subscribe",
    categories: Iterable[str] = ("calendarData", "contactCard", "note", "state"),
    id_: int = 63792024,
    context: str | None = CONTACT_CONTEXT,
) -> bytes:
    """Write a batchSub document; these are contacts, unless a context of None says that it is for a moment only."""
    inner = "/>" if context is None else f"><context>{context}</context></resource>"
    resources = "".join(f'<resource uri="{uri}"{inner}' for uri in uris)
    names = "".join(f'<category name="{name}"/>' for name in categories)
    return (
        f'<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="{owner}" name="">\n'
        f'<action name="{action}" id="{id_}">\n<adhocList>\n{resources}\n</adhocList>\n'
        f'<categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist">\n{names}\n</categoryList>\n'
        "</action>\n</batchSub>"
    ).encode()


def adrl_body(owner: str, **actions: Iterable[str]) -> bytes:
    """Write an adhoclist document, as clients did before 2007: create, add, delete."""
    inner = "".join(
        f'<{name} xmlns="">{"".join(f"<resource uri={chr(34)}{uri}{chr(34)}/>" for uri in uris)}</{name}>'
        for name, uris in actions.items()
    )
    return f'<adhoclist xmlns="urn:ietf:params:xml:ns:adrl" uri="{owner}" name="{owner}">{inner}</adhoclist>'.encode()


def people(*users: str) -> list[Person]:
    """Give people of the domain."""
    return [Person(aor_of(f"{user}@{DOMAIN}"), user, display_name=user.title()) for user in users]


def views(response: Response) -> dict[str, Any]:
    """Give the categories documents of a multipart answer, by user."""
    content_type = response.headers.get("Content-Type") or ""
    parts = read_multipart(response.body, content_type)
    trees = [tree(part.body) for part in parts if part.content_type == "application/msrtc-event-categories+xml"]
    return {one.get("uri").partition("@")[0].removeprefix("sip:"): one for one in trees}


def availability(view: Any) -> int:
    """Give what a categories document says about somebody's availability."""
    return int(view.findtext(".//category[@name='state']/state/availability"))
