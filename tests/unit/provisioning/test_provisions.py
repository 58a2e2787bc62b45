"""What the groups say, by settings."""

from typing import Any

import pytest
from lxml import etree
from pydantic import ValidationError
from zope.interface import implementer

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.workloads.provisioning.bodies import write_groups
from lyncpy.workloads.provisioning.provisions import provisions
from lyncpy.workloads.provisioning.settings import Settings
from tests.kit.hall import tree

ALICE = Aor("sip:alice@contoso.test")


BOB = Aor("sip:bob@contoso.test")


@implementer(IPolicies)
class Privacy:
    """Bob is in privacy mode, has small meetings and no guests; nobody else."""

    def policy_of(self, aor: Aor) -> Policy:
        """Give a user's policy."""
        bob = aor == BOB
        return Policy(privacy_mode=bob, meeting_size=12 if bob else 250, anonymous_participants=not bob)


def group(name: str, settings: Settings | None = None, aor: Aor = ALICE) -> Any:  # Any: lxml's element, for XPath
    """Give one group as a client parses it."""
    return tree(write_groups([name], provisions(settings or Settings(), Privacy()), aor))[0]


def values(element: Any) -> dict[str, str]:
    """Give the properties of a group."""
    return {prop.get("name"): prop.text or "" for prop in element.iter("property")}


def test_server_configuration_is_made_of_elements() -> None:
    """Encryption is always said, because a client takes silence for a demand; no address of a service is."""
    server = group("ServerConfiguration")
    assert server.findtext("ucPC2PCAVEncryption") == "SupportEncryption"
    assert server.findtext("ucPortRangeEnabled") == "false"
    assert not [e.text for e in server if e.tag.lower().endswith(("url", "uri")) and e.text]


def test_the_address_book_is_told_where_there_is_one() -> None:
    """Under each name that clients look for; as something to ask, for there is no file of everybody."""
    url = "https://sip.contoso.test/GroupExpansion/Service.svc"
    asked = ["ServerConfiguration", "endpointConfiguration"]
    server, endpoint = tree(write_groups(asked, provisions(Settings(), Privacy(), search_url=url), ALICE))
    told = {element.tag for element in server if element.text == url}
    assert told == {"abwqInternalUrl", "abwqExternalUrl", "dlxInternalUrl", "dlxExternalUrl"}
    assert (server.findtext("absWebServiceEnabled"), server.findtext("dlxEnabled")) == ("true", "false")
    assert values(endpoint)["AbsUsage"] == "WebSearchOnly"
    assert "AbsUsage" not in values(group("endpointConfiguration"))


def test_groups_are_told_where_an_administrator_says_so() -> None:
    """And only where there is something that expands them."""
    asked = ["ServerConfiguration", "endpointConfiguration"]
    for url, most, told in (("https://x/Service.svc", 10, "10"), ("https://x/Service.svc", 0, "0"), ("", 10, "0")):
        given = provisions(Settings(groups_in_contacts=most), Privacy(), search_url=url)
        server, endpoint = tree(write_groups(asked, given, ALICE))
        assert server.findtext("dlxEnabled") == ("true" if told == "10" else "false")
        assert values(endpoint)["MaximumDGsAllowedInContactList"] == told


def test_a_range_of_ports_is_given_whole() -> None:
    """With the switch on, a client reads ten values and falls over a missing one."""
    server = group("ServerConfiguration", Settings(media_port_lowest=50000, media_port_highest=50099))
    assert server.findtext("ucPortRangeEnabled") == "true"
    ends = {
        element.tag: element.text for element in server if element.tag.endswith("Port") and "Sip" not in element.tag
    }
    assert ends == {
        f"uc{end}{kind}Port": port
        for kind in ("Media", "Audio", "Video", "AppSharing", "FileTransfer")
        for end, port in (("Min", "50000"), ("Max", "50099"))
    }


@pytest.mark.parametrize("name", ["meetingPolicy", "ucPolicy"])
def test_policies_are_properties_of_one_instance(name: str) -> None:
    """This is where clients look for them."""
    assert group(name).findall("instance/property")


@pytest.mark.parametrize(
    "name",
    [
        "endpointConfiguration",
        "presencePolicyV2",
        "locationPolicy",
        "mediaConfiguration",
        "mobilityPolicy",
        "persistentChatConfiguration",
    ],
)
def test_the_later_groups_are_lists_of_properties(name: str) -> None:
    """This is where clients look for them."""
    assert group(name).findall("propertyEntryList/property")


def test_persistent_chat_is_off() -> None:
    """A client that is told otherwise looks for a chat server."""
    assert values(group("persistentChatConfiguration")) == {"EnablePersistentChat": "false"}


def test_what_an_administrator_forbids_is_said() -> None:
    """Settings in his words become the clients' words."""
    settings = Settings(video=False, file_transfer=False, desktop_sharing=False)
    meeting = values(group("meetingPolicy", settings))
    assert (meeting["EnableP2PVideo"], meeting["EnableP2PFileTransfer"]) == ("false", "false")
    assert meeting["EnableAppDesktopSharing"] == "None"
    assert group("userSetting", settings).findtext("disableFileTransfer") == "true"


def test_privacy_mode_is_said_to_whom_it_is_for() -> None:
    """His client then follows the other grammar; what else is said of presence is the same for all."""
    open_, private = (values(group("presencePolicyV2", aor=aor)) for aor in (ALICE, BOB))
    assert (open_.pop("EnablePrivacyMode"), private.pop("EnablePrivacyMode")) == ("false", "true")
    assert open_ == private
    assert private["PersonalNoteHistoryDepth"] == "3"
    replaced = Settings(entries={"presencePolicyV2": {"EnableLocationPrompt": "true"}})
    assert values(group("presencePolicyV2", replaced, BOB))["EnableLocationPrompt"] == "true"


def test_who_may_have_guests_and_how_many_is_said_by_policy() -> None:
    """A client offers meetings for guests where its user may have them, and nobody's does where nobody may."""

    def said(aor: Aor, settings: Settings | None = None, *, guests: bool = True) -> tuple[str, str]:
        (written,) = [
            one for one in provisions(settings or Settings(), Privacy(), guests=guests) if one.group == "meetingPolicy"
        ]
        found = values(tree(f"<group>{written.write(aor)}</group>".encode()))
        return found["AllowAnonymousParticipants"], found["MeetingSize"]

    assert (said(ALICE), said(BOB)) == (("true", "250"), ("false", "12"))
    assert said(ALICE, guests=False) == ("false", "250")
    assert said(BOB, Settings(entries={"meetingPolicy": {"MeetingSize": "5"}})) == ("false", "5")


def test_more_entries_are_given_in_the_layout_of_their_group() -> None:
    """An administrator may add what Lync has and we have not, and replace what we say."""
    settings = Settings(
        entries={
            "ServerConfiguration": {"botSipUriForTestCall": "sip:test@contoso.test;a=<b>"},
            "endpointConfiguration": {"DisableEmoticons": "true", "PhotoUsage": "NoPhoto"},
            "ucPolicy": {"EnableCallPark": "true"},
            "customGroup": {"Answer": "42"},
        }
    )
    assert group("ServerConfiguration", settings).findtext("botSipUriForTestCall") == "sip:test@contoso.test;a=<b>"
    endpoint = group("endpointConfiguration", settings)
    assert values(endpoint)["DisableEmoticons"] == "true"
    assert [prop.text for prop in endpoint.iter("property") if prop.get("name") == "PhotoUsage"] == ["NoPhoto"]
    assert values(group("ucPolicy", settings))["EnableCallPark"] == "true"
    assert values(group("customGroup", settings)) == {"Answer": "42"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"entries": {"a b": {}}},
        {"entries": {"ucPolicy": {"<": "x"}}},
        {"media_port_lowest": 50000},
        {"media_port_lowest": 50000, "media_port_highest": 50010},
        {"media_port_lowest": 80, "media_port_highest": 4000},
        {"media_encryption": "Maybe"},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    """A client would be misled without a word; the server does not start."""
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_the_grammar_names_the_six_containers() -> None:
    """Clients offer the levels that are visible here, and the one that blocks."""
    grammar = group("publicationGrammar")
    containers = grammar.findall("containerManifestList/containerManifest/containers/container")
    assert [(c.get("id"), c.findtext("visible"), c.findtext("blocked")) for c in containers] == [
        ("0", "false", None),
        ("100", "true", None),
        ("200", "true", None),
        ("300", "true", None),
        ("400", "true", None),
        ("32000", "true", "true"),
    ]
    members = grammar.findall("containerManifestList/containerManifest/members/member")
    defaults = {
        m.get("type"): m.find("defaultContainer").get("id")
        for m in members
        if m.get("type") in ("sameEnterprise", "federated")
    }
    assert defaults == {"sameEnterprise": "200", "federated": "100"}
    assert len(grammar.findall("containerManifestList/containerManifest/blockRules/blockRule")) == 4


def test_in_privacy_mode_networks_may_only_be_blocked() -> None:
    """Nobody sees a user because of where he is; there are no rules of publication."""
    grammar = group("privacyPublicationGrammar")
    for kind in ("sameEnterprise", "federated", "publicCloud", "domain"):
        (member,) = grammar.findall(f"containerManifestList/containerManifest/members/member[@type='{kind}']")
        assert [c.get("id") for c in member.iter("container")] == ["32000"]
    assert grammar.find("categoryPublicationManifest") is None


def rule(category: str, container: str) -> Any:  # Any: lxml's element
    """Give a rule of publication, with its namespaces."""
    content = next(p.write(ALICE) for p in provisions(Settings(), Privacy()) if p.group == "publicationGrammar")
    root = etree.fromstring(f"<g>{content}</g>")
    path = f"//*[local-name()='publicationRule'][@categoryName='{category}'][@containerId='{container}']"
    found: Any = root.xpath(path)  # Any: XPath may give anything; this one gives elements
    return found[0]


def transformed(category: str, container: str, value: str) -> Any:  # Any: lxml's tree
    """Carry out a rule as a client does."""
    (sheet,) = rule(category, container).xpath("*/*[local-name()='stylesheet']")
    transform = etree.XSLT(etree.fromstring(etree.tostring(sheet)))
    return tree(etree.tostring(transform(etree.fromstring(value))))


STATE = (
    '<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' manual="{manual}" xsi:type="userState"><availability>{number}</availability><endpointLocation>desk</endpointLocation></state>'
)


@pytest.mark.parametrize(
    ("number", "manual", "seen"),
    [
        ("9500", "true", "6900"),
        ("9000", "true", "6900"),
        ("11999", "true", "6900"),
        ("12000", "true", "12000"),
        ("9500", "false", "9500"),
        ("3500", "true", "3500"),
    ],
)
def test_the_team_sees_do_not_disturb_as_urgent_only(number: str, manual: str, seen: str) -> None:
    """The rule for container 3 is a program, and does what it is for."""
    state = transformed("state", "3", STATE.format(number=number, manual=manual))
    assert state.findtext("availability") == seen
    assert state.findtext("endpointLocation") == "desk"
    assert state.get("manual") == manual
    activity = state.find("activity")
    assert (activity is not None and activity.get("token") == "urgent-interruptions-only") == (seen == "6900")


def test_the_blocked_see_an_empty_note_and_nobody_there() -> None:
    """What is published for them says nothing."""
    note = '<note xmlns="http://schemas.microsoft.com/2006/09/sip/note"><body type="personal">secret</body></note>'
    assert len(transformed("note", "32000", note)) == 0
    assert rule("state", "32000").xpath("string(*/*[local-name()='state'])") == "18500"
