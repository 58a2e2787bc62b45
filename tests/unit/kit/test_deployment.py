"""What a story is told of its servers' complaints."""

from threading import Thread

from twisted.logger import Logger

from tests.kit.deployment import Deployment


def test_what_another_thread_complains_of_is_not_the_storys() -> None:
    """A store or a pull of a test before may end late on a busy machine; the servers of a story have one thread."""
    deployment, log = Deployment(), Logger()
    deployment.joined()
    left = Thread(target=lambda: log.error("left behind"))
    left.start()
    left.join()
    log.error("its own")
    deployment.left()
    assert deployment.unexpected == ["its own"]
