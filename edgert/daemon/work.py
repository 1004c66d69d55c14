"""Engines, streams and the thread that runs them: what a daemon opens when it has a family."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from edgert.backends.base import Backend
from edgert.clock import Clock
from edgert.daemon.base import Events
from edgert.daemon.board_news import HeardTelemetry
from edgert.daemon.choosing import Finder, Start
from edgert.daemon.engine_store import EngineStore
from edgert.daemon.engines import Engines, Surroundings, load_engines
from edgert.daemon.opened_streams import open_stream
from edgert.daemon.remeasured import remeasured, take
from edgert.daemon.swap import Exchange
from edgert.daemon.verification import Verifier
from edgert.emulator.board import loads_from_profile
from edgert.errors import BackendError, EdgertError
from edgert.opening.boards import emulated_board
from edgert.opening.families import backend_from_settings
from edgert.opening.telemetry import open_telemetry
from edgert.records import (
    Family,
    FrameLog,
    Limits,
    Profile,
    Provenance,
    RunHeader,
    Wanted,
)
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.stream_loop import StreamLoop
from edgert.settings import Settings
from edgert.video.mjpeg import LivePicture

logger = logging.getLogger(__name__)


def open_surroundings(
    settings: Settings, clock: Clock, root: Path, profile: Profile | None
) -> tuple[Surroundings, str]:
    """The board's own sensors, or an emulated board; and what should be heard of them, in words.

    Args:
        settings: Board and telemetry.
        clock: That samples are stamped with.
        root: Where `profiles` lies.
        profile: Of the engines that run on an emulated board; None: none do.

    Raises:
        EdgertError: What the settings name is not there.
    """
    if settings.board:
        board = emulated_board(settings.board, clock, profile)
        return Surroundings(clock, root, HeardTelemetry(board), board, "emulated"), ""
    source, note = open_telemetry(settings, clock)
    if source is None:
        return Surroundings(clock, root, None, None, None), note
    heard = HeardTelemetry(source)
    return Surroundings(clock, root, heard, None, _provenance(heard)), note


def _provenance(heard: HeardTelemetry) -> Provenance | None:
    """Of the first sample, where it is there at once; nobody waits for it."""
    heard.try_read()
    return None if heard.newest is None else heard.newest.provenance


class Work:
    """What serves frames. `open_work` makes one.

    Attributes:
        engines: That are served; others after an exchange.
        loop: Whose thread runs them.
        live: Live pictures by stream.
        newer: At the start the family's folder had another set than the one that is served.
    """

    def __init__(
        self,
        engines: Engines,
        *,
        settings: Settings,
        around: Surroundings,
        store: EngineStore,
        events: Events,
        listener: Callable[[Any], None],
        wanted: Wanted,
        log_folder: Path,
        tell: Callable[[str], None],
        on_end: Callable[[BaseException], None],
    ) -> None:
        self.engines = engines
        self.newer = False
        self.live = {stream.name: LivePicture() for stream in settings.streams}
        self._settings, self._around, self._store = settings, around, store
        self._events, self._tell, self._on_end = events, tell, on_end
        self._verifier = Verifier()
        self._exchange = Exchange(store, self._verifier, tell)
        self._previous = engines.pool.active
        self._thread = threading.Thread(target=self._run, name="edgert-frames", daemon=True)
        log = DecisionLog(
            log_folder,
            self._header,
            max_bytes=settings.daemon.log_bytes,
            files=settings.daemon.log_files,
        )
        self.loop = StreamLoop(
            engines.serving,
            [
                open_stream(stream, live, clock=around.clock, family=self._family)
                for stream, live in zip(settings.streams, self.live.values(), strict=True)
            ],
            clock=around.clock,
            listener=listener,
            shadow=engines.shadow,
            shadow_decides=settings.shadow.decides,
            log=log,
            wanted=wanted,
        )

    def begin(self) -> None:
        """Let the thread run."""
        self._thread.start()

    @property
    def alive_s(self) -> float:
        """When the thread last did something, on the clock."""
        return self.loop.alive_s

    def note_switch(self, configuration: str) -> str:
        """In the loop's thread: which configuration ran until now."""
        before, self._previous = self._previous, configuration
        return before

    def after_frame(self, line: FrameLog) -> None:
        """In the loop's thread: let what was learned be kept."""
        if self.engines.keeper is not None and line.now_s is not None:
            self.engines.keeper.after_frame(line.now_s)

    def renew(self, settings: Settings, *, limits: Limits, by: str) -> str:
        """Take the set that lies in the family's folder, where it is another; says what was done.

        Where it is the same it goes on, by the profile that lies beside it now.

        Raises:
            EdgertError: It was refused; the old one goes on.
        """
        self._settings = settings
        backend = backend_from_settings(settings)
        finder = Finder(settings, backend, self._store, self._around.root)
        if finder.newest_id() == self.engines.found.stored.id:
            return self._renew_figures(finder, settings, limits=limits, by=by)
        before = self.engines.found.stored.id
        self.engines = self._exchange.exchange(
            self.engines,
            finder,
            backend,
            settings,
            self._around,
            limits=limits,
            install=self._install,
        )
        now = self.engines.found.stored.id
        text = f"set {now[:8]} has taken over from {before[:8]}"
        self._events.add("engines", text, **{"from": before, "to": now, "by": by})
        for note in self.engines.notes:
            self._events.add("engines", note)
        return text

    def _renew_figures(
        self, finder: Finder, settings: Settings, *, limits: Limits, by: str
    ) -> str:
        """Take the profile that lies beside the same engines now, where it is another one."""
        engines, same = self.engines, "the engines are the same"
        try:
            asked = remeasured(engines, finder, settings, self._around, limits)
        except EdgertError as error:
            note = f"the figures of before stay: {error}"
            self._events.add("engines", note, by=by)
            return f"{same}; {note}"
        if asked is None:
            return same
        if self._around.board is not None:
            self._around.board.add_loads(loads_from_profile(asked.found.profile))
        take(asked, engines, self.loop, settings)
        text = f"set {engines.found.stored.id[:8]} goes on by another {asked.what}"
        for note in (text, *engines.notes):
            self._events.add("engines", note, by=by)
        return f"{same}; another {asked.what} is taken"

    def stop_verifying(self) -> None:
        """End a verification that may be under way, for good."""
        self._verifier.stop()

    def close(self, within_s: float) -> None:
        """End the thread after its frame, finish sinks, keep what was learned, unload.

        Raises:
            BackendError: The thread did not end in time; nothing else was let go of.
        """
        self.loop.request_stop()
        self._thread.join(within_s)
        if self._thread.is_alive():
            raise BackendError(
                "end the frames",
                expected=f"the last one to end within {within_s:.0f} s",
                got="an engine or a sink that hangs",
                advice="The process ends without waiting for it",
            )
        self.engines.close()

    def _run(self) -> None:
        try:
            self.loop.run()
        except Exception as error:  # this thread's boundary: the service hears of it
            logger.exception("frames are served no more")
            self._on_end(error)

    def _install(self, engines: Engines) -> "Future[Any]":
        """Hand engines to the loop; they are the served ones from the moment it has them."""
        if self._around.board is not None:
            self._around.board.add_loads(loads_from_profile(engines.found.profile))
        future = self.loop.swap(engines.serving, engines.shadow)

        def taken(done: "Future[Any]") -> None:  # in the loop's thread
            if not done.cancelled() and done.exception() is None:
                self.engines = engines
                self._previous = engines.pool.active

        future.add_done_callback(taken)
        return future

    def _header(self) -> RunHeader:
        return self.loop.header()

    def _family(self) -> Family:
        return self.engines.found.family


class Beginning(NamedTuple):
    """What is known before anything is loaded."""

    store: EngineStore
    backend: Backend
    start: Start


def find_beginning(settings: Settings, state: Path, root: Path) -> Beginning:
    """The set that a daemon begins with; copies it where it is a new one.

    Raises:
        EdgertError: No set can be served.
    """
    store = EngineStore(state / "engines")
    backend = backend_from_settings(settings)
    return Beginning(store, backend, Finder(settings, backend, store, root).at_start())


def open_work(
    beginning: Beginning,
    settings: Settings,
    around: Surroundings,
    *,
    wanted: Wanted,
    log_folder: Path,
    events: Events,
    listener: Callable[[Any], None],
    tell: Callable[[str], None],
    on_end: Callable[[BaseException], None],
) -> Work:
    """Load the set and open the streams; `Work.begin` lets frames run.

    Raises:
        EdgertError: An engine can't be loaded, or a stream's settings are of no use.
    """
    store, backend, start = beginning
    for note in start.notes:
        events.add("engines", note)
    engines = load_engines(
        start.found,
        backend,
        settings,
        around,
        limits=wanted.limits,
        memory_bytes=settings.engines.memory_bytes,
        progress=lambda done, total, what: tell(f"{what} ({done} of {total})"),
    )
    for note in engines.notes:
        events.add("engines", note)
    try:
        work = Work(
            engines,
            settings=settings,
            around=around,
            store=store,
            events=events,
            listener=listener,
            wanted=wanted,
            log_folder=log_folder,
            tell=tell,
            on_end=on_end,
        )
    except BaseException:
        engines.close()
        raise
    work.newer = start.newer and not store.trying()
    if start.newer and not work.newer:
        events.add(
            "engines",
            "the newer set is not tried: the service ended while it took it. Reload to try again",
        )
    if store.current() != start.found.stored:
        try:
            store.take(start.found.stored)
        except EdgertError as error:
            events.add("engines", f"a restart will need the family's folder: {error}")
    return work
