"""An office that listens to its directory: nothing asks for its pulls but notices, and time goes on while a test waits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred

from lyncpy.backends.ldap_notices import LdapNotices, NoticeConnection
from lyncpy.backends.threads import Threads
from lyncpy.workloads.directory.notices import Notices, PullsOnNotice
from lyncpy.workloads.directory.pull import PullResult
from tests.kit.office import LdapServer, Office, OpenOffice


class Ear:
    """Pulls of an office that nothing asks for but the directory; time goes on while it is waited."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.counted: list[bool] = []
        thread = Threads(office.pump, "notices")
        source = LdapNotices(office.settings, office.directory.access, NoticeConnection, thread, office.timers)
        self.pulls = PullsOnNotice(self._pull, office.settings.retry_s, office.timers)
        self.notices = Notices(source, self.pulls, office.settings, office.timers)

    async def _pull(self, gone: bool) -> PullResult:
        result = await self.office.pulls.pull(counting=gone)
        self.counted.append(gone)
        return result

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, self.notices.state
            turned: Deferred[None] = Deferred()
            self.office.pump.callFromThread(turned.callback, None)
            self.office.pump.run(turned)
            # No faster than the server's: what it dates would be before what has been read up to.
            time.sleep(0.02)
            self.office.clock.advance(0.02)


@contextmanager
def listening(opened: OpenOffice, server: LdapServer, **settings: Any) -> Iterator[Ear]:  # Any: what Settings takes
    """Read a directory once, and listen to it then, with its first pull made."""
    office = opened(server, **settings)
    office.pull()
    ear = Ear(office)
    ear.notices.open()
    try:
        ear.until(lambda: ear.counted)
        assert ear.counted == [False]
        assert "told by the server" in ear.notices.state
        yield ear
    finally:
        ear.pulls.close()
        office.pump.run(ear.notices.close())
