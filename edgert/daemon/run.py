"""The daemon's process: doors first, then engines, then signals until the end.

SIGHUP reloads, SIGTERM and SIGINT drain; a second SIGINT ends at once.
"""

import logging
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edgert.daemon.checks import check_settings, tcp_address
from edgert.daemon.http import HttpServer, make_app
from edgert.daemon.metrics import Metrics
from edgert.daemon.orders import Orders
from edgert.daemon.places import Places, claim_state, find_places, read_token
from edgert.daemon.service import EdgeService
from edgert.daemon.systemd import Heartbeat, Patience, ServiceManager
from edgert.errors import EdgertError
from edgert.settings import Settings, SystemdVariables

logger = logging.getLogger(__name__)

_DASHBOARD = Path(__file__).parent / "dashboard"
_SWITCH_INTERVAL_S = 0.002  # a thread that computes gives way to a frame after so long
_DRAIN_S = 30.0


def run_daemon(
    settings: Settings,
    *,
    reread: Callable[[], Settings],
    variables: SystemdVariables,
    root: Path = Path(),
) -> int:
    """Serve until a signal ends it.

    Args:
        settings: What is set.
        reread: Reads the settings again, for a reload.
        variables: What the service manager says.
        root: Where `engines` and `profiles` lie.

    Returns:
        0 after a drain, 1 where frames could be served no more.

    Raises:
        EdgertError: Something can't be opened at the start.
    """
    check_settings(settings)
    places = find_places(settings.daemon, variables)
    manager = ServiceManager.from_variables(variables)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with ExitStack() as undo:
        undo.enter_context(claim_state(places.state))
        orders = undo.enter_context(Orders())
        metrics = Metrics()
        service = EdgeService(
            settings,
            reread=reread,
            state=places.state,
            root=root,
            see_frame=metrics.see_frame,
            tell=manager.status,
        )
        undo.callback(service.close)
        server = _open_doors(settings, service, metrics, places)
        undo.callback(server.close)
        with Patience(manager):
            service.start(on_failure=lambda: orders.give("failed"))
        undo.enter_context(Heartbeat(manager, service.alive))
        _open_mqtt(settings, service, undo)
        doors = filter(None, (str(places.socket), settings.daemon.tcp))
        logger.info("serving %s at %s", service.summary(), " and ".join(doors))
        manager.ready(service.summary())
        status = _obey(orders, service, manager)
        manager.stopping("serving the last frame")
        manager.extend(_DRAIN_S)
        service.close()
    logger.info("ended")
    return status


def _open_doors(
    settings: Settings, service: EdgeService, metrics: Metrics, places: Places
) -> HttpServer:
    token = read_token(settings.daemon)
    tcp = tcp_address(settings.daemon.tcp) if settings.daemon.tcp else None
    app = make_app(
        service,
        metrics,
        token=token,
        upload_bytes=settings.daemon.upload_bytes,
        dashboard=_DASHBOARD if (_DASHBOARD / "index.html").is_file() else None,
        live=lambda: "" if service.alive() else "the thread that runs frames hangs",
        busy=service.busy,
        hosts=own_names("" if tcp is None else tcp.host, platform.node()),
    )
    server = HttpServer(app, socket=places.socket, tcp=None if tcp is None else tcp[:2])
    server.start()
    return server


def own_names(host: str, machine: str) -> set[str]:
    """Names that a caller over TCP may call this daemon by, besides localhost and addresses.

    Args:
        host: Of `daemon.tcp`; "" without one.
        machine: The machine's name, perhaps with its domain. Its first part alone is right, too,
            and with `.local`, as it is called in a network without a name server.
    """
    short = machine.partition(".")[0]
    return {name for name in (host, machine, short, short and f"{short}.local") if name}


def _open_mqtt(settings: Settings, service: EdgeService, undo: ExitStack) -> None:
    if not settings.mqtt.host:
        return
    from edgert.daemon.mqtt import MqttDoor

    door = MqttDoor(service, settings.mqtt, device=platform.node())
    door.start()
    undo.callback(door.close)


def _obey(orders: Orders, service: EdgeService, manager: ServiceManager) -> int:
    while True:
        order = orders.next()
        if order != "reload":
            return 1 if order == "failed" else 0
        manager.reloading()
        try:
            told = service.reload(by="SIGHUP")
            told.add_done_callback(lambda _: manager.ready(service.summary()))
        except EdgertError as error:
            logger.warning("not reloaded: %s", error)
            manager.ready(service.summary())
