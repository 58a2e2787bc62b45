"""Random digits."""

import os
from itertools import islice
from threading import Thread

from lyncpy.sip.digits import RandomDigits


def test_digits_are_of_the_size_and_never_the_same() -> None:
    """Also when one call to the system has given all that it gave."""
    found = list(islice(RandomDigits(16), 200))
    assert {len(one) for one in found} == {16}
    assert len(set(found)) == 200
    assert set("".join(found)) == set("0123456789abcdef")


def test_threads_draw_beside_one_another() -> None:
    """Each gets its own."""
    digits = RandomDigits(16)
    found: list[str] = []
    threads = [Thread(target=lambda: found.extend(islice(digits, 20_000))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 80_000


def test_a_process_that_is_forked_has_its_own() -> None:
    """What was drawn in advance is not given in both."""
    digits = RandomDigits(16)
    next(digits)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, "".join(islice(digits, 20)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reads, 4096).decode()
    os.close(reads)
    os.close(writes)
    theirs = {told[at : at + 16] for at in range(0, len(told), 16)}
    assert len(theirs) == 20
    assert not theirs & set(islice(digits, 100))
