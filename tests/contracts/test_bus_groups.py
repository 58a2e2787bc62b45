"""The promise IBus of questions to whoever has time, on every implementation; and among several nodes on a real nats-server."""

from collections import Counter
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from lyncpy.backends.nats import questions
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.contracts.bus import BusTimeout
from lyncpy.contracts.names import NodeName
from tests.kit.nats import NatsServer, ReactorLoop
from tests.kit.nodes import HERE, THERE, HowMany, Pair, node, reply


def test_whoever_answers_is_asked(pair: Pair) -> None:
    """Another one where there is one, else this one itself."""
    pair.here.answer(HowMany, reply(lambda question: 1))
    pair.there.answer(HowMany, reply(lambda question: 2))
    pair.settle()
    assert pair.loop.wait(pair.here.ask(None, HowMany(""), 5.0)) == 2


def test_who_is_alone_answers(pair: Pair) -> None:
    """Nobody else does; or nobody at all, which is known at once."""
    with pytest.raises(BusTimeout):
        pair.loop.wait(pair.here.ask(None, HowMany(""), 1000.0))
    pair.here.answer(HowMany, reply(lambda question: 1))
    pair.settle()
    assert pair.loop.wait(pair.here.ask(None, HowMany(""), 5.0)) == 1


def three(loop: ReactorLoop, server: NatsServer, subject: str) -> tuple[NatsBus, list[NatsBus], Counter[int]]:
    """Open one who asks, and three who answer with their numbers; these are counted."""
    asker = node(loop, HERE, server.url, subject=subject)
    answerers, asked = [], Counter[int]()
    for number in range(3):
        one = node(loop, NodeName(f"n{number}"), server.url, subject=subject)

        def give(question: HowMany, number: int = number) -> int:
            asked[number] += 1
            return number

        one.answer(HowMany, reply(give))
        Pair(loop, asker, one, THERE).settle()
        answerers.append(one)
    return asker, answerers, asked


def test_each_question_is_for_one_of_them(loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> None:
    """All have their share; who leaves is not asked any more, and who has answered twice is asked once."""
    asker, answerers, asked = three(loop, server, tmp_path.name.replace("_", "-")[:30])
    answerers[2].answer(HowMany, reply(lambda question: 2 if not asked.update([2]) else 0))
    for _ in range(60):
        assert loop.wait(asker.ask(None, HowMany(""), 5.0)) in (0, 1, 2)
    assert sum(asked.values()) == 60
    assert set(asked) == {0, 1, 2}
    loop.wait(answerers[0].close())
    loop.wait(answerers[1].close())
    asked.clear()
    for _ in range(10):
        assert loop.wait(asker.ask(None, HowMany(""), 5.0)) == 2


def test_who_has_too_much_to_answer_is_passed_over(
    loop: ReactorLoop, server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are asked, a few; then whoever asks is told."""
    asker, _, asked = three(loop, server, tmp_path.name.replace("_", "-")[:30])
    monkeypatch.setattr(questions, "ANSWERING_MOST", 0)
    with pytest.raises(BusTimeout, match="too much to answer"), capturedLogs():
        loop.wait(asker.ask(None, HowMany(""), 5.0))
    assert not asked
