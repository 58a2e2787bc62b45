"""What people have is written as JSON, and comes back: nothing is lost in silence, and what is there stays."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lyncpy.app.config import check
from lyncpy.app.people_export import exported
from lyncpy.app.people_form import DocumentUnusable, PeopleDocument, read_document, schema, write_document
from lyncpy.app.people_import import Bounds, Importer, Report
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import NOBODY, OwnerId
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of

NOW = 1_790_000_000.0
ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")

DOCUMENT = {
    "form": "lyncpy people 1",
    "people": [
        {
            "address": "alice@example.com",
            "groups": [{"id": 1, "name": "~"}, {"id": 7, "name": "Friends", "external": "<x/>"}],
            "contacts": [
                {"address": "bob@example.com", "name": "Bob", "groups": [1, 7], "extension": "<c/>"},
                {"address": "eve@example.net", "groups": [7], "subscribed": False},
            ],
            "levels": [
                {"container": 400, "members": [{"kind": "user", "value": "bob@example.com"}]},
                {"container": 32000, "members": [{"kind": "domain", "value": "example.net"}]},
            ],
            "delegates": [{"address": "bob@example.com", "publish": True}],
            "conferences": [
                {
                    "id": "ABCDEF123",
                    "subject": "Ünïcode",
                    "expires": NOW + 86_400,
                    "admission": "closedAuthenticated",
                    "autopromote": 32768,
                    "invited": {"bob@example.com": "presenter"},
                    "link": "alice@old.example.com",
                }
            ],
        }
    ],
}


class Owners(AddressOwners):
    """Only some people are here."""

    def owner(self, aor: Aor) -> OwnerId:
        """Give who has this address."""
        return OwnerId(aor) if aor in (ALICE, BOB) else NOBODY

    def meant(self, aor: Aor) -> OwnerId:
        """Give the same."""
        return self.owner(aor)


class House:
    """A store, and what is imported into it."""

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: NOW)
        self.owners = Owners()
        self.bounds = Bounds.from_config(check(Path("/nowhere/lyncpy.toml"), {"sip": {"domain": "example.com"}}))

    def takes(self, document: Mapping[str, object], *, writes: bool = True) -> Report:
        """Import."""
        importer = Importer(self.store, self.owners, self.bounds, NOW, writes=writes)
        return result_of(importer.import_document(read_document(json.dumps(document).encode())))

    def has(self, *aors: Aor) -> PeopleDocument:
        """Export."""
        return result_of(exported(self.store, self.owners, aors or (ALICE,), {"privacy_mode": True}, NOW))


def person(**changes: object) -> dict[str, object]:
    """Make a document with what Alice had."""
    return {"form": "lyncpy people 1", "people": [{"address": "alice@example.com", **changes}]}


def counts(report: Report) -> Sequence[int]:
    """Give what was taken."""
    return (
        report.people,
        report.groups,
        report.contacts,
        report.members,
        report.delegates,
        report.conferences,
        report.known,
        len(report.skipped),
    )


def test_all_of_it_comes_back() -> None:
    """And a second time there is nothing to be done."""
    house = House()
    assert counts(house.takes(DOCUMENT)) == (1, 1, 2, 2, 1, 1, 1, 0)
    (alice,) = house.has().people
    groups = {one.id: one.name for one in alice.groups}
    assert sorted(groups.values()) == ["Friends", "~"]
    bob, eve = alice.contacts
    assert (bob.address, bob.name, bob.extension, [groups[n] for n in bob.groups]) == (
        "bob@example.com",
        "Bob",
        "<c/>",
        ["~", "Friends"],
    )
    assert (eve.address, eve.subscribed, [groups[n] for n in eve.groups]) == ("eve@example.net", False, ["Friends"])
    assert [(one.container, [m.value for m in one.members]) for one in alice.levels] == [
        (400, ["bob@example.com"]),
        (32000, ["example.net"]),
    ]
    assert alice.delegates[0].publish
    (meeting,) = alice.conferences
    assert (meeting.id, meeting.subject, meeting.link) == ("ABCDEF123", "Ünïcode", "alice@old.example.com")
    assert (meeting.admission, meeting.autopromote, dict(meeting.invited)) == (
        "closedAuthenticated",
        32768,
        {"bob@example.com": "presenter"},
    )
    again = house.takes(json.loads(write_document(house.has())))
    assert counts(again) == (1, 0, 0, 0, 0, 0, 8, 0)


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    """So that an operator sees it first."""
    house = House()
    assert counts(house.takes(DOCUMENT, writes=False)) == counts(House().takes(DOCUMENT))
    assert house.has().people[0].contacts == ()
    assert house.has().people[0].conferences == ()


def test_what_is_there_stays() -> None:
    """Names, levels, conferences; a contact gets the groups that are new."""
    house = House()
    house.takes(person(contacts=[{"address": "bob@example.com", "name": "Bobby"}]))
    house.takes(person(levels=[{"container": 200, "members": [{"kind": "user", "value": "bob@example.com"}]}]))
    report = house.takes(DOCUMENT)
    assert report.skipped == ["alice@example.com: the level 400 of bob@example.com: has another one here"]
    (alice,) = house.has().people
    assert alice.contacts[0].name == "Bobby"
    assert len(alice.contacts[0].groups) == 2
    assert [one.container for one in alice.levels] == [200, 32000]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"address": "nobody@example.com"}, "nobody@example.com: all that they have: nobody here has this address"),
        ({"address": "no address"}, "no address: all that they have: it is no address"),
        ({"contacts": [{"address": "alice@example.com"}]}, "it is no address of somebody else"),
        ({"contacts": [{"address": "what is this"}]}, "it is no address of somebody else"),
        ({"delegates": [{"address": "alice@example.com"}]}, "it is no address of somebody else"),
        (
            {"groups": [{"id": n, "name": f"g{n}"} for n in range(1, 70)]},
            "too many groups: raise [contacts] groups_per_user",
        ),
        ({"delegates": [{"address": f"d{n}@example.com"} for n in range(999)]}, "there would be too many"),
        (
            {"levels": [{"container": 400, "members": [{"kind": "user", "value": f"u{n}@x.y"} for n in range(9999)]}]},
            "the level 400, 9999 members: there would be too many",
        ),
        ({"conferences": [{"id": "ABCDEF123", "expires": 5.0}]}, "it has expired"),
        ({"conferences": [{"id": "x"}]}, 'the conference x "": its id has to be 8 to 32 letters and digits'),
    ],
)
def test_what_is_not_taken_is_named(changes: dict[str, object], says: str) -> None:
    """Whose it is, what, and why."""
    report = House().takes(person(**changes))
    assert any(says in one for one in report.skipped), report.skipped


def test_somebody_elses_link_is_not_taken_over() -> None:
    """It stands in the calendars of others."""
    house = House()
    meeting = {"id": "ABCDEF123", "link": "shared@example.com"}
    house.takes({"form": "lyncpy people 1", "people": [{"address": "bob@example.com", "conferences": [meeting]}]})
    report = house.takes(person(conferences=[meeting]))
    assert "somebody else has had one with this link" in report.skipped[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        ('{"form": "lyncpy people 2", "people": []}', "form"),
        ('{"form": "lyncpy people 1", "people": [{"address": "a@b", "pin": 1}]}', "people.0.pin"),
        ('{"form": "lyncpy people 1", "people": [{"address": 5}]}', "people.0.address"),
        (
            '{"form": "lyncpy people 1", "people": [{"address": "a@b", "groups": [{"id": 0, "name": ""}]}]}',
            "groups.0.id",
        ),
        ("[" * 100_000, "Invalid JSON"),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_the_place(text: str, says: str) -> None:
    """Nothing of it is imported."""
    with pytest.raises(DocumentUnusable, match=says):
        read_document(text.encode())


def test_the_schema_is_documented_and_true() -> None:
    """Other programs read and write by it."""
    kept = (Path(__file__).parents[3] / "docs" / "people.schema.json").read_text("utf-8")
    assert kept == schema(), "lyncpy export-schema > docs/people.schema.json"
    house = House()
    house.takes(DOCUMENT)
    written = json.loads(write_document(house.has(ALICE, BOB)))
    assert read_document(json.dumps(written).encode()).people[0].address == "alice@example.com"
    parts = json.loads(kept)["$defs"]
    assert written["people"][0].keys() <= parts["PersonData"]["properties"].keys()
    for name in ("contacts", "groups", "levels", "conferences", "delegates"):
        kind = parts["PersonData"]["properties"][name]["items"]["$ref"].rpartition("/")[2]
        for one in written["people"][0][name]:
            assert one.keys() <= parts[kind]["properties"].keys()
            assert set(parts[kind].get("required", ())) <= one.keys()
        assert parts[kind]["additionalProperties"] is False
