"""The page in front of `edgert serve`: real engines of a tiny family on an emulated board."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.dashboard.conftest import Watched
from tests.daemon.real_daemon import Daemon
from tests.daemon.sets import Workplace

pytestmark = [pytest.mark.system]
SOURCE = "test://?width=64&height=48&fps=10&frames=100000"


class RealDoor:
    """A daemon in a process of its own, which can be killed and brought back."""

    def __init__(self, place: Workplace) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.daemon = Daemon(
            place,
            streams=[{"name": "yard", "source": SOURCE}],
            limits={"deadline_s": 0.5, "power_w": 20.0, "temp_c": 80.0},
            daemon={"state_dir": "state", "socket": "d.sock", "tcp": f"127.0.0.1:{port}"},
        )
        self.start()

    def start(self) -> None:
        self.daemon.start().ready()

    def kill(self) -> None:
        self.daemon.kill()


@pytest.fixture
def real_door(profiled_once: Path, tmp_path: Path) -> Iterator[RealDoor]:
    door = RealDoor(Workplace(profiled_once, tmp_path / "place"))
    yield door
    door.daemon.__exit__()


def test_a_real_daemon_is_shown_steered_lost_and_found(
    real_door: RealDoor, open_page: Callable[..., Watched]
) -> None:
    watched = open_page(real_door.url)
    watched.expected = ("ERR_", "422")
    watched.wait_text("#link", "Connected")
    watched.wait_text("#board", "emulated board: emulated-orin-nano")
    names = [each["name"] for each in real_door.daemon.get("/v1/configurations")]
    watched.wait_text("#configurations", names[-1])
    watched.wait_text("#active", real_door.daemon.status()["configuration"])
    watched.wait_text("#strip-power .of", "of 20.00 W")
    watched.wait_text("#strip-power .source", "emulated")
    watched.wait_for(
        "() => /^\\d+\\.\\d\\d W$/.test(document.querySelector('#strip-power output').innerText)"
    )

    # a limit that is changed on the page: the switch arrives, with its reason
    dearest = watched.text("#active")
    watched.page.fill("#limit-power_w", "3")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Applied: power 3 W.")
    assert real_door.daemon.status()["wanted"]["limits"]["power_w"] == 3.0
    watched.wait_text("#switches li:first-child", " W", within_s=15)
    watched.wait_for(
        "(name) => document.querySelector('#active').innerText !== name", argument=dearest
    )
    event = real_door.daemon.events(until="", kind="switch")
    assert event["facts"]["to"] in names

    watched.page.fill("#limit-energy_j", "1000")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Refused: ")
    assert "mission_s" in watched.text("#answer")
    watched.page.click("#undo")

    watched.page.select_option("#pin", names[0])
    watched.page.click("#apply")
    watched.wait_text("#active", names[0])

    # a live picture, from the stream as it runs
    watched.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    image = "article[aria-label='stream yard'] img"
    watched.wait_for(f'() => document.querySelector("{image}").naturalWidth > 0', within_s=10)

    # as a power cut does it; the daemon that comes back remembers what was asked
    real_door.kill()
    watched.wait_text("#link", "Connection lost since", within_s=3)
    real_door.start()
    watched.wait_text("#link", "Connected", within_s=5)
    watched.wait_text("#limit-power_w-now", "now 3 W")
    watched.wait_text("#active", names[0])
    watched.page.click("#pause")
    watched.wait_text("#state", "paused")
    assert real_door.daemon.status()["state"] == "paused"
