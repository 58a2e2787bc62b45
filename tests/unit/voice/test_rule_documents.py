"""The rules of a user, as clients write them."""

from lyncpy.contracts.call_rules import PublishedRules
from lyncpy.workloads.voice.model.call_rules import CallRules, RuleFlag, Target, TargetKind
from lyncpy.workloads.voice.rule_documents import LISTED_MOST, read_rules, rules_of

ALICE, BOB = (Target(TargetKind.PERSON, f"sip:{name}@contoso.com") for name in ("alice", "bob"))
SPECIFIED = """<routing xmlns="http://schemas.microsoft.com/02/2006/sip/routing" name="rtcdefault" version="2" minSupportedClientVersion="2.0.0.0">
 <preamble>
  <list name="team"><target uri=" sip:Alice@contoso.com "/><target uri="sip:Bob@contoso.com"/><target uri="sip:Bob@contoso.com"/><target uri="x"/></list>
  <flags name="clientflags" value="team_ring  odd work_hours"/>
  <flags name="serverflags" value="block"/>
  <wait name="user" seconds="10"/><wait name="team2" seconds="15"/><wait name="user" seconds="99"/><wait name="total" seconds="-1"/>
 </preamble></routing>"""
"""The specification's example, with what is not of it."""


def test_the_specified_example_is_read() -> None:
    """Addresses in any spelling, each once; what is not known says nothing, and of two waits the first counts."""
    assert read_rules(SPECIFIED) == CallRules(
        frozenset({RuleFlag.TEAM_RING, RuleFlag.WORK_HOURS}), {"team": (ALICE, BOB)}, {"user": 10, "team2": 15}
    )
    assert read_rules(SPECIFIED.replace("02/2006/sip/routing", "2006/09/sip/routing")) == read_rules(SPECIFIED)


def test_what_cannot_be_read_says_nothing() -> None:
    """And so does who has published nothing."""
    assert read_rules("<routing") == read_rules("") == CallRules()


def test_a_list_has_its_bound() -> None:
    """More targets than anybody has do not count."""
    targets = "".join(f'<target uri="sip:u{number}@contoso.com"/>' for number in range(LISTED_MOST + 5))
    assert len(read_rules(f'<routing><list name="team">{targets}</list></routing>').lists["team"]) == LISTED_MOST


def test_who_breaks_through_has_rules_of_their_own() -> None:
    """The others have those for all."""
    through = SPECIFIED.replace('name="team"', 'name="breakthrough"').replace("team_ring", "simultaneous_ring")
    published = PublishedRules(SPECIFIED, through)
    rules, reaches = rules_of(published, frozenset({ALICE}))
    assert (reaches, RuleFlag.SIMULTANEOUS_RING in rules.flags) == (True, True)
    rules, reaches = rules_of(published, frozenset({Target(TargetKind.NUMBER, "tel:+1")}))
    assert (reaches, RuleFlag.TEAM_RING in rules.flags) == (False, True)
