"""What two people say is archived where policy demands it, before the other hears it."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.names import aor_of
from lyncpy.workloads.archive.auditor import Auditor, AuditResult
from lyncpy.workloads.directory.policy_settings import PoliciesSettings
from tests.kit.archive import PlainStamps
from tests.kit.deployment import password_of
from tests.kit.results import result_of
from tests.kit.stage import Stage

ALICE = "alice@example.com"


@pytest.fixture
def critical() -> Iterator[Stage]:
    """A server that archives everybody, and passes nothing unarchived."""
    with Stage.opened(policies={"archive_internal": True}, archive={"critical": True}) as stage:
        yield stage


@pytest.fixture
def lenient() -> Iterator[Stage]:
    """A server that archives everybody, if it can."""
    with Stage.opened(policies={"archive_internal": True}) as stage:
        yield stage


def archived(stage: Stage, user: str = ALICE) -> list[str]:
    """Give what an operator finds of somebody."""
    table = stage.command("archive search", user=user)
    return [str(row[table.columns.index("text")]) for row in table.rows]


def verified(stage: Stage) -> AuditResult:
    """Verify the archive, past the disk."""
    return result_of(Auditor(stage.ledger, PlainStamps()).verify())


def test_nobody_is_archived_unless_policy_says_so(stage: Stage) -> None:
    """It is off at first: nothing of what is said is kept."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    assert talk.says("just between us").status == 200
    assert archived(stage) == []
    assert not stage.ledger.lines


def test_what_two_people_say_is_archived(critical: Stage) -> None:
    """In order, with who said it to whom; only theirs is found under their names."""
    alice, bob, carol = critical.sign_in("alice", "bob", "carol")
    hers, his = alice.talks_to(bob)
    assert hers.says("hi Bob").status == 200
    assert his.says("hi Alice").status == 200
    talk, _ = carol.talks_to(bob)
    assert talk.says("hi from Carol").status == 200
    assert archived(critical)[-2:] == ["hi Bob", "hi Alice"]
    assert "hi from Carol" not in archived(critical)
    assert archived(critical, "carol@example.com")[-1] == "hi from Carol"
    assert verified(critical).broken is None


def test_in_critical_mode_nothing_passes_unarchived(critical: Stage) -> None:
    """Alice is told why, Bob hears nothing; when the disk works again both go on in the same conversation."""
    alice, bob = critical.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    critical.expect("the archive cannot be written")
    critical.expect("call records wait")
    critical.disk.broken = True
    refused = talk.says("unrecorded")
    assert refused.status == 503
    assert "must be archived here" in str(refused.answer.headers.get("ms-diagnostics"))
    assert [text.words for text in bob.texts] == []

    critical.disk.broken = False
    assert talk.says("recorded").status == 200
    assert [text.words for text in bob.texts] == ["recorded"]
    assert archived(critical)[-1] == "recorded"
    assert verified(critical).broken is None


def test_without_critical_mode_messages_pass_and_the_gap_is_known(lenient: Stage) -> None:
    """Bob hears what cannot be archived; the archive says later that something is missing."""
    alice, bob = lenient.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    lenient.expect("the archive cannot be written")
    lenient.expect("call records wait")
    lenient.disk.broken = True
    assert talk.says("unrecorded").status == 200
    lenient.disk.broken = False
    assert talk.says("recorded").status == 200
    assert [text.words for text in bob.texts] == ["unrecorded", "recorded"]
    assert archived(lenient)[-1] == "recorded"
    assert verified(lenient).remarks == ("1 entries say that messages were passed on unarchived before them",)


def test_what_was_acknowledged_is_archived_after_a_kill(critical: Stage) -> None:
    """The chain goes on at the next start."""
    alice, bob = critical.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    assert talk.says("before").status == 200
    critical.kill()
    critical.start()
    again, other = critical.sign_in("alice", "bob")
    talk, _ = again.talks_to(other)
    assert talk.says("after").status == 200
    assert [text for text in archived(critical) if text in ("before", "after")] == ["before", "after"]
    assert verified(critical).broken is None


@pytest.mark.steady_clock  # entries and addresses are dated by the clock of the host
def test_what_is_archived_is_of_who_had_the_address_then() -> None:
    """It follows somebody to another address, and is not what is found of whoever has the old one now."""
    with Stage.opened(policies={"archive_internal": True}, directory={"removal_share": 1.0}) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        assert bob.pages(alice, "from Bob").status == 200
        stage.changes("bob", aor=aor_of("robert@example.com"))
        stage.directory.people.append(stage.someone("bob", key="another"))
        stage.pulls()
        robert, other = stage.actor("robert", password=password_of("bob")), stage.actor("bob")
        robert.signs_in()
        other.signs_in()
        assert other.pages(alice, "from the other").status == 200
        assert robert.pages(alice, "from Robert").status == 200

        def found(line: str) -> list[object]:
            return [row[-1] for row in stage.shell(f"archive search {line}").rows]

        assert found("robert@example.com") == ["from Bob", "from Robert"]
        assert found("bob@example.com") == ["from the other"]
        assert found("bob@example.com --as-written") == ["from Bob", "from the other"]
        assert found("alice@example.com --with robert@example.com") == ["from Bob", "from Robert"]
        note = stage.shell("archive search robert@example.com").note
        assert "; as bob@example.com until " in note
        assert ", robert@example.com from " in note
        stage.shell("archive export robert@example.com --format json --to his")
        assert b"from Bob" in b"".join(stage.exports.folders["his"].values())

        stage.changes("bob", aor=aor_of("robert@example.com"))
        stage.directory.people = [one for one in stage.directory.people if one.key not in ("another", "key-bob")]
        stage.pulls()
        (gone,) = [row[4] for row in stage.shell("directory held").rows if row[5] == "another"]
        assert found(str(gone)) == found("bob@example.com") == ["from the other"]
        assert found("robert@example.com") == ["from Bob", "from Robert"]


def test_a_conversation_under_way_follows_a_changed_policy(stage: Stage) -> None:
    """From the next message on: of two people, and of a meeting, without anybody leaving or coming."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    seat = bob.meets()
    stage.passes(1)

    def speaks(word: str) -> None:
        assert talk.says(f"{word} to Bob").status == 200
        seat.says(f"{word} to all")
        stage.passes(1)

    speaks("before")
    policies = stage.ground.tables.policies
    policies.adopt(PoliciesSettings(archive_internal=True))
    stage.settle()
    speaks("meanwhile")
    policies.adopt(PoliciesSettings())
    stage.settle()
    speaks("after")
    said = [entry.body for entry in stage.ledger.lines.values() if entry.kind == "message"]
    assert said == [b"meanwhile to Bob", b"meanwhile to all"]
