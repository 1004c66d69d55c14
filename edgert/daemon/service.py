"""The daemon behind its doors: engines, streams, board, what is asked for, what happens.

`start` opens everything, `close` finishes it; in between the doors call from threads of their own.
What runs frames is `runtime.stream_loop`, what exchanges engines `swap`; this module holds them
together and keeps what is asked for.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock, MonotonicClock
from edgert.closing import Closing
from edgert.daemon.asked import Asked
from edgert.daemon.base import Events, Pictures
from edgert.daemon.board_news import BoardNews, HeardTelemetry
from edgert.daemon.checks import check_settings
from edgert.daemon.events import EventLog
from edgert.daemon.stream_news import StreamNews
from edgert.errors import EdgertError, ServiceBusyError
from edgert.records import (
    ConfigurationStatus,
    PictureResult,
    ServiceState,
    ServiceStatus,
    Wanted,
    WantedChange,
)
from edgert.settings import Settings

logger = logging.getLogger(__name__)

LOOK_S = 0.25  # so often board and streams are looked at for news
STOP_S = 20.0  # for the frame in progress and the sinks
HANG_S = 10.0  # without a sign from the thread that runs frames it hangs
_RESTART_FOR = (  # what a reload does not change
    "backend", "board", "telemetry", "streams", "daemon", "mqtt", "shadow", "threads",
)  # fmt: skip


class EdgeService(Closing):
    """Implements daemon.base.Service.

    Args:
        settings: What is set; checked here.
        reread: Reads the settings again, for `reload`.
        state: The folder for what outlives a restart; this process alone uses it.
        root: Where `engines` and `profiles` lie.
        clock: Of frames, samples and events.
        see_frame: Told of each frame, in the thread that runs them.
        tell: Told in a line what is going on, for whoever waits for the service.

    Raises:
        SettingsError: The settings don't fit together.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reread: Callable[[], Settings],
        state: Path,
        root: Path = Path(),
        clock: Clock | None = None,
        see_frame: Callable[[Any], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        check_settings(settings)
        self._settings, self._reread = settings, reread
        self._state_folder, self._root = state, root
        self._clock = clock or MonotonicClock()
        self._see_frame, self._tell = see_frame, tell
        self._begin_s = self._clock.now_s()
        self.events: Events = EventLog(self._clock)
        self._phase: ServiceState = "starting"
        self._work: Any = None  # Work, once engines run
        self._telemetry: HeardTelemetry | None = None
        self._live: dict[str, Any] = {}
        self._board_news = BoardNews(self.events, self._clock)
        self._stream_news = StreamNews(self.events)
        self._note = ""  # of the loop, the newest
        self._failure = ""  # why frames are served no more, in words
        self._stop = threading.Event()
        self._looking: threading.Thread | None = None
        self._reloads = ThreadPoolExecutor(1, "edgert-reload")
        self._on_failure: Callable[[], None] = lambda: None
        self._asked = Asked(state, settings.limits)
        for note in self._asked.notes:
            self.events.add("limits", note)

    # ------------------------------------------------------------ from beginning to end

    def start(self, on_failure: Callable[[], None] = lambda: None) -> None:
        """Open all that the settings name; returns when frames are served.

        Args:
            on_failure: Called, from any thread, if frames are served no more at some time.

        Raises:
            EdgertError: Something can't be opened. What was opened is closed by `close`.
        """
        from edgert.daemon.work import find_beginning, open_surroundings, open_work

        self._on_failure = on_failure
        settings, beginning = self._settings, None
        if settings.family:
            self._tell("finding engines")
            beginning = find_beginning(settings, self._state_folder, self._root)
        profile = None if beginning is None else beginning.start.found.profile
        around, note = open_surroundings(settings, self._clock, self._root, profile)
        self._telemetry = around.telemetry
        if note:
            self.events.add("telemetry", note)
        if beginning is not None:
            work = open_work(
                beginning,
                settings,
                around,
                wanted=self._asked.now,
                log_folder=self._state_folder / "decisions",
                events=self.events,
                listener=self._hear,
                tell=self._tell,
                on_end=self._ended,
            )
            self._live = work.live
            self._work = work
            self._asked.tell(work.loop.change)  # it may have changed while engines were loaded
            work.begin()
        self._looking = threading.Thread(target=self._look, name="edgert-news", daemon=True)
        self._looking.start()
        self._phase = "ready"
        self.events.add("service", self.summary())
        if self._work is not None and self._work.newer:
            self._reloads.submit(self._reload, "the start")

    def summary(self) -> str:
        """What is served, in one line."""
        if self._work is None:
            return "without engines: no family is set"
        found = self._work.engines.found
        count, streams = len(found.built.manifest.engines), len(self._settings.streams)
        return (
            f"{count} engines of {found.family.name} ({found.stored.id[:8]}), "
            f"{streams} stream{'' if streams == 1 else 's'}"
        )

    def close(self) -> None:
        """Serve the frame in progress, finish sinks, keep what was learned, let go of all."""
        if self._stop.is_set():
            return
        self._phase = "draining"
        self.events.add("service", "draining")
        self._stop.set()
        if self._work is not None:
            self._work.stop_verifying()
        self._reloads.shutdown(wait=True, cancel_futures=True)
        try:
            if self._work is not None:
                self._work.close(STOP_S)
        finally:
            if self._looking is not None:
                self._looking.join()
            if self._telemetry is not None:
                self._telemetry.close()

    def alive(self) -> bool:
        """Whether what serves frames goes on: it did something lately, or there is none."""
        if self._work is None:
            return self._looking is None or self._looking.is_alive()
        return not self._failure and self._clock.now_s() - self._work.alive_s < HANG_S

    def busy(self) -> bool:
        """Whether a frame is being served just now."""
        return self._work is not None and bool(self._work.loop.busy)

    # ------------------------------------------------------------ daemon.base.Service

    def status(self) -> ServiceStatus:
        """See daemon.base.Service."""
        from edgert.daemon.status import Moment, bare_status, full_status

        work = self._work
        figures = None if work is None else work.loop.figures()
        wanted, phase = self._asked.now, self._phase
        if phase == "ready" and wanted.paused:
            phase = "paused"
        reasons = self._reasons()
        now_s = self._clock.now_s()
        moment = Moment(
            state=phase,
            ready=phase in ("ready", "paused") and work is not None and self.alive(),
            reasons=reasons,
            uptime_s=now_s - self._begin_s,
            now_s=now_s,
            wanted=wanted,
            sample=None if self._telemetry is None else self._telemetry.newest,
        )
        if work is None or figures is None:
            return bare_status(moment, self._settings)
        return full_status(moment, self._settings, work.engines, figures)

    def configurations(self) -> list[ConfigurationStatus]:
        """See daemon.base.Service."""
        from edgert.daemon.status import configuration_statuses

        work = self._work
        if work is None:
            return []
        engines = work.engines
        agreements = {} if engines.shadow is None else engines.shadow.agreements()
        return configuration_statuses(engines, work.loop.figures(), agreements)

    def change(self, change: WantedChange, *, by: str) -> Wanted:
        """See daemon.base.Service."""
        names = () if self._work is None else self._work.engines.pool.names
        wanted, words = self._asked.change(change, names)
        if words:
            self.events.add("limits", f"{'; '.join(words)} (by {by})", by=by)
        return wanted

    def infer(self, image: NDArray[np.uint8], *, with_map: bool) -> "Future[PictureResult]":
        """See daemon.base.Service."""
        if self._work is None or self._phase == "draining":
            raise ServiceBusyError(
                "run a picture",
                expected="engines that are loaded",
                got="none" if self._settings.family else "a service without a family",
                advice="Ask /readyz, and send it again when it is ready",
            )
        found: Future[PictureResult] = self._work.loop.submit(image, with_map)
        return found

    def pictures(self, stream: str) -> Pictures:
        """See daemon.base.Service."""
        found: Pictures = self._live[stream]
        return found

    def reload(self, *, by: str) -> "Future[str]":
        """See daemon.base.Service."""
        if self._phase in ("starting", "draining"):
            raise ServiceBusyError(
                "reload",
                expected="a service at work",
                got=f"one that is {self._phase}",
                advice="Ask again when it is ready",
            )
        return self._reloads.submit(self._reload, by)

    # ------------------------------------------------------------ pieces

    def _reasons(self) -> list[str]:
        found = [self._failure, self._asked.problem]
        if not self._settings.family:
            found.append("no family is set: there is nothing to serve")
        elif self._work is None:
            found.append("engines are being loaded")
        elif not self._failure and not self.alive():
            found.append(f"no frame has ended for {HANG_S:.0f} s: an engine hangs")
        if self._board_news.lost:
            found.append(f"no telemetry: {self._board_news.lost}")
        return [reason for reason in found if reason]

    def _hear(self, frame: Any) -> None:
        """In the thread that runs frames, after each."""
        self._see_frame(frame)
        line = frame.line
        if line.switched:
            before = self._work.note_switch(line.configuration)
            self.events.add(
                "switch",
                f"{before} → {line.configuration}: {line.reason}",
                **{"from": before, "to": line.configuration, "stream": frame.stream},
            )
        self._work.after_frame(line)

    def _look(self) -> None:
        """News of board and streams, in a thread of its own."""
        while not self._stop.wait(LOOK_S):
            try:
                self._look_once()
            except Exception:  # this thread's boundary: news may be missed, frames go on
                logger.exception("looking for news failed")

    def _look_once(self) -> None:
        telemetry, work = self._telemetry, self._work
        if telemetry is not None:
            if work is None:
                telemetry.try_read()
            self._board_news.look(telemetry.newest, telemetry.problem)
        if work is not None:
            figures = work.loop.figures()
            self._stream_news.look(figures.streams)
            if figures.note != self._note:
                self._note = figures.note
                self.events.add("limits", figures.note)
                self._asked.drop_pin(work.engines.pool.names)

    def _ended(self, error: BaseException) -> None:
        """The thread that runs frames has failed."""
        self._failure = f"frames are served no more: {error}"
        self.events.add("service", self._failure)
        self._on_failure()

    def _reload(self, by: str) -> str:
        """In the thread of reloads."""
        if self._stop.is_set():
            return "the service ends"
        try:
            told = self._reloaded(by)
        except EdgertError as error:
            self.events.add("engines", f"refused: {error}", by=by)
            raise
        except Exception as error:
            logger.exception("a reload failed")
            self.events.add("engines", f"refused: {type(error).__name__}: {error}", by=by)
            raise
        self.events.add("service", f"reloaded by {by}: {told}", by=by)
        return told

    def _reloaded(self, by: str) -> str:
        settings = self._reread()
        check_settings(settings)
        told = []
        waits = [n for n in _RESTART_FOR if getattr(settings, n) != getattr(self._settings, n)]
        if waits:
            told.append(f"{', '.join(waits)} changed, which takes a restart")
            kept = {name: getattr(self._settings, name) for name in waits}
            settings = msgspec.structs.replace(settings, **kept)
        told += self._asked.merge(settings.limits)
        self._settings = settings
        if self._work is not None and settings.family:
            told.append(self._work.renew(settings, limits=self._asked.now.limits, by=by))
        elif bool(settings.family) != (self._work is not None):
            told.append("family changed, which takes a restart")
        return "; ".join(told) or "nothing changed"
