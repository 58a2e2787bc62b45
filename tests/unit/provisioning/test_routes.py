"""Provisioning over SIP."""

import pytest

from lyncpy.contracts.workload import Provision
from lyncpy.sip.message import Response
from lyncpy.workloads.provisioning.service import Provisioning, ServiceUrls
from lyncpy.workloads.provisioning.settings import Settings
from tests.kit.hall import Device, Hall, tree
from tests.kit.presence import FewPolicies
from tests.kit.results import result_of

EVENT = "vnd-microsoft-provisioning-v2"
TYPE = "application/vnd-microsoft-roaming-provisioning-v2+xml"


def provisioning(hall: Hall, *more: Provision) -> Provisioning:
    """Build provisioning in a hall where other workloads tell clients this, too."""
    platform = hall.platform(policies=FewPolicies(hall.bus))
    return Provisioning(
        platform,
        hall.signaling(),
        more,
        Settings(),
        mcus=("chat",),
        guests=True,
        urls=ServiceUrls("", ""),
        calls=lambda aor: {"EnableTeamCall": "true"},
    )


@pytest.fixture
def hall() -> Hall:
    """A hall with provisioning, and a workload that adds to a group of it."""
    hall = Hall()
    more = Provision("ServerConfiguration", lambda aor: f"<focusFactoryUri>{aor};gruu</focusFactoryUri>")
    hall.take(provisioning(hall, more))
    return hall


@pytest.fixture
def alice(hall: Hall) -> Device:
    """A device of Alice."""
    return hall.device("alice")


def ask(device: Device, *names: str, expires: int | None = 0, namespace: str = "provisioninggrouplist") -> Response:
    """Ask for groups as the client does."""
    groups = " ".join(f'<provisioningGroup name="{name}"/>' for name in names)
    ns = f"http://schemas.microsoft.com/2006/09/sip/{namespace}"
    body = f'<provisioningGroupList xmlns="{ns}"> {groups}</provisioningGroupList>'.encode() if names else b""
    return device.subscribe(EVENT, body, expires=expires, content_type=TYPE)


def names_in(response: Response) -> list[str]:
    """Give the groups of an answer."""
    return [group.get("name") for group in tree(response.body)]


def test_answers_the_groups_that_are_asked_for(alice: Device) -> None:
    """Each once, in the client's order; one that nobody provides is no error."""
    response = ask(alice, "ucPolicy", "ServerConfiguration", "unknownGroup", "ucPolicy")
    assert response.status == 200
    assert names_in(response) == ["ucPolicy", "ServerConfiguration"]


def test_a_question_with_expires_0_is_answered_and_over(hall: Hall, alice: Device) -> None:
    """The answer carries the document and says that nothing follows."""
    response = ask(alice, "ServerConfiguration")
    headers = response.headers
    assert (headers.get("Expires"), headers.get("subscription-state")) == ("0", "terminated;expires=0")
    assert headers.get("ms-piggyback-cseq") is not None
    assert headers.get("Event") == EVENT
    assert headers.get("Content-Type") == TYPE
    assert len(hall.notifier) == 0


def test_joins_what_several_workloads_offer_for_one_group(alice: Device) -> None:
    """A client reads one group; what is in it depends on the user."""
    (server,) = tree(ask(alice, "ServerConfiguration").body)
    assert server.findtext("ucPC2PCAVEncryption") == "SupportEncryption"
    assert server.findtext("focusFactoryUri") == "sip:alice@contoso.test;gruu"


def test_the_namespace_of_the_question_does_not_matter(alice: Device) -> None:
    """Clients disagree about it."""
    assert names_in(ask(alice, "ucPolicy", namespace="provisiongrouplist")) == ["ucPolicy"]


def test_a_client_that_stays_keeps_its_question(hall: Hall, alice: Device) -> None:
    """A refresh without a body is answered like the first time; leaving ends it."""
    assert names_in(ask(alice, "ucPolicy", expires=3600)) == ["ucPolicy"]
    assert names_in(ask(alice, expires=3600)) == ["ucPolicy"]
    assert len(hall.notifier) == 1
    ask(alice, expires=0)
    assert len(hall.notifier) == 0


def test_no_question_gets_everything(alice: Device) -> None:
    """A client that names no group is told of all."""
    assert {"ServerConfiguration", "publicationGrammar", "userSetting"} <= set(names_in(ask(alice)))


def test_refuses_a_question_that_is_none(alice: Device) -> None:
    """Broken XML, and far too many names, are the client's fault."""
    assert alice.subscribe(EVENT, b"<a>", content_type=TYPE).status == 400
    assert ask(alice, *(f"g{n}" for n in range(65))).status == 413


def test_nobody_is_told_what_concerns_another(alice: Device) -> None:
    """Settings of another user are refused."""
    assert alice.subscribe(EVENT, to="sip:bob@contoso.test").status == 403
    assert alice.subscribe("vnd-microsoft-provisioning", to="sip:bob@contoso.test").status == 403


def test_a_client_of_2005_has_no_telephony(alice: Device) -> None:
    """The older event is answered with the user and no line."""
    response = alice.subscribe("vnd-microsoft-provisioning", expires=0)
    assert response.headers.get("Content-Type") == "application/vnd-microsoft-roaming-provisioning+xml"
    assert tree(response.body).find("user").get("uri") == "sip:alice@contoso.test"


def test_closes() -> None:
    """Provisioning has nothing to give back."""
    hall = Hall()
    result_of(provisioning(hall).close())
