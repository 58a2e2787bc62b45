"""Requests in the dialogs of a call, in any order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.phones import OFFER, Callee, ringing
from tests.kit.soak import many
from tests.kit.stage import Stage

EARLY_STEPS = st.lists(
    st.tuples(st.sampled_from(["caller", "desk", "phone"]), st.sampled_from(["UPDATE", "INFO", "MESSAGE"])),
    max_size=8,
)


@settings(max_examples=many(25))
@given(early=EARLY_STEPS, answers=st.sampled_from(["desk", "phone"]), later=EARLY_STEPS, target=st.booleans())
def test_whatever_is_said_in_a_dialog_arrives_in_it(
    early: list[tuple[str, str]], answers: str, later: list[tuple[str, str]], target: bool
) -> None:
    """Any requests, in any order, by any of the devices: each arrives at the right device, and its answer comes back."""
    with Stage.opened() as stage:
        caller, (desk, phone) = ringing(stage, devices=2)
        devices: dict[str, Callee] = {"desk": desk, "phone": phone}
        for who, method in early:
            to = devices["desk" if target else "phone"]
            exchange = (
                caller.sends(method, body=b"x", tag=to.tag)
                if who == "caller"
                else devices[who].sends(method, body=b"x")
            )
            assert exchange.status == 200
        winner = devices[answers]
        winner.says(200, body=OFFER)
        for who, method in later:
            exchange = caller.sends(method, body=b"x") if who == "caller" else winner.sends(method, body=b"x")
            assert exchange.status == 200
        assert caller.sends("BYE").status == 200
        assert caller.strays == desk.strays == phone.strays == []
        assert stage.tables()["sessions"] == 0
