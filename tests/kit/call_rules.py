"""Rules for calls, as clients publish them (the category `routing`)."""

from tests.kit.actors import Actor


def rules(flags: str, lists: str = "", *, waits: str = '<wait name="user" seconds="7"/>') -> str:
    """Write a document as clients do."""
    return (
        '<routing xmlns="http://schemas.microsoft.com/02/2006/sip/routing" name="rtcdefault" version="2"><preamble>'
        f'{lists}<flags name="clientflags" value="{flags}"/>{waits}</preamble></routing>'
    )


def named(name: str, *uris: str) -> str:
    """Write a list of targets."""
    return f'<list name="{name}">' + "".join(f'<target uri="{uri}"/>' for uri in uris) + "</list>"


def waits(**seconds: int) -> str:
    """Write how long somebody rings."""
    return "".join(f'<wait name="{name}" seconds="{value}"/>' for name, value in seconds.items())


def has_rules(actor: Actor, document: str, *, instance: int = 0, container: int = 200) -> None:
    """Have somebody publish rules for colleagues."""
    answer = actor.publishes_raw((("routing", instance, container), "static", document)).answer
    if answer.status != 200:
        raise AssertionError(answer)
