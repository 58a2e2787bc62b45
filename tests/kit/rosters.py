"""Conferences and meetings for tests: who is who, and meetings with people in them."""

from dataclasses import replace
from typing import Any

from lyncpy.contracts.names import Aor, ConferenceId, Epid
from lyncpy.contracts.policy import Policy
from lyncpy.workloads.conferencing.model.attendees import Joiner, Meeting, MeetingPolicy, MeetingStep
from lyncpy.workloads.conferencing.model.conference import (
    CHAT,
    Autopromote,
    Conference,
    ConferenceDenied,
    ConferenceTerms,
)
from lyncpy.workloads.conferencing.model.lifetime import begin
from lyncpy.workloads.conferencing.model.meeting import join, medium_joined
from lyncpy.workloads.conferencing.settings import Settings

NOON = 1_784_548_800.0
"""Wall-clock seconds: 2026-07-20 12:00 UTC."""

ALICE, BOB, CAROL, DAVE = (Aor(f"sip:{name}@contoso.test") for name in ("alice", "bob", "carol", "dave"))
MALLORY = Aor("sip:mallory@fabrikam.test")
GUEST = Aor("sip:5f0c7a@anonymous.invalid")
PHONE, DESK = Epid("phone"), Epid("desk")
FOCUS = "sip:alice@contoso.test;gruu;opaque=app:conf:focus:id:59CED1B0"


def conference(**differs: Any) -> Conference:
    """Give a conference of Alice's that nobody becomes a presenter of by joining."""
    fields: dict[str, Any] = {"autopromote": Autopromote.NOBODY, **differs}
    return Conference(ALICE, ConferenceId("59CED1B0"), NOON, NOON, NOON + 28_800, **fields)


def policy_with(**differs: Any) -> MeetingPolicy:
    """Give the limits of a meeting as they are set by default, but for these."""
    return replace(Settings().meeting_policy(Policy()), **differs)


def terms_with(**differs: Any) -> ConferenceTerms:
    """Give the limits of conferences as they are set by default, but for these."""
    return replace(Settings().terms((CHAT,)), **differs)


def joiner(user: Aor, epid: Epid = DESK, **differs: Any) -> Joiner:
    """Give a device of somebody, a colleague or a guest by their address."""
    fields: dict[str, Any] = {
        "display_name": user[4:].partition("@")[0].title(),
        "internal": user.endswith("@contoso.test"),
        "guest": user.endswith("@anonymous.invalid"),
        "lobby_capable": True,
        **differs,
    }
    return Joiner(user, epid, f"{{{user[4:9]}-{epid}}}", **fields)


def done(step: MeetingStep | ConferenceDenied) -> Meeting:
    """Give the meeting after a step that must be allowed."""
    assert not isinstance(step, ConferenceDenied), step
    return step[0]


def meeting(
    *users: Aor, meeting_policy: MeetingPolicy | None = None, chat: bool = True, now: float = 0.0, **differs: Any
) -> Meeting:
    """Give a meeting with these people in it, and in its chat."""
    running = begin(conference(**differs), "instance-1", meeting_policy or policy_with(), now, "Alice Arnold")
    for user in users:
        running = done(join(running, joiner(user), now))
        if chat and not running.attendees[user].waits:
            running = done(medium_joined(running, user, DESK, CHAT, f"chat-{user[4:9]}", now))
    return running
