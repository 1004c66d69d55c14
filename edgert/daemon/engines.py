"""A set of engines at work: loaded, with the controller that chooses among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgert.backends.base import Backend
from edgert.clock import Clock
from edgert.closing import Closing
from edgert.control import Policy, open_controller
from edgert.daemon.board_news import HeardTelemetry
from edgert.daemon.choosing import FoundSet
from edgert.emulator.board import EmulatedBoard
from edgert.opening.learned import learned_keeper, restore_learned
from edgert.opening.shadow import open_shadow
from edgert.opening.thermal import thermal_constants
from edgert.pool import Pool
from edgert.pool.opening import Progress
from edgert.preprocess import Preprocessor
from edgert.records import Limits, Provenance, RunHeader
from edgert.runtime.serving import Serving
from edgert.runtime.shadow import ShadowRuns
from edgert.runtime.state_keeper import StateKeeper
from edgert.settings import Settings

_LEARNED = "learned.json"


@dataclass(frozen=True)
class Surroundings:
    """What stays while engines are exchanged."""

    clock: Clock
    root: Path  # where `profiles` lies
    telemetry: HeardTelemetry | None
    board: EmulatedBoard | None
    provenance: Provenance | None


@dataclass
class Engines(Closing):
    """Everything that belongs to one set and goes with it."""

    found: FoundSet
    pool: Pool
    serving: Serving
    keeper: StateKeeper | None
    shadow: ShadowRuns | None
    notes: list[str]
    device: str

    def close(self) -> None:
        """Write what the controller learned, and give the engines' memory back."""
        try:
            if self.keeper is not None:
                self.keeper.close()
        finally:
            self.pool.close()


def load_engines(
    found: FoundSet,
    backend: Backend,
    settings: Settings,
    around: Surroundings,
    *,
    limits: Limits,
    memory_bytes: int | None,
    progress: Progress | None = None,
) -> Engines:
    """Load a set and run each engine once, so that the first frame is not a first run.

    Args:
        found: The set.
        backend: One that has loaded nothing yet.
        settings: Controller, thermal constants, shadow runs.
        around: Clock, telemetry, board.
        limits: What is asked for now.
        memory_bytes: What all its engines may take; None: nine tenths of what is free.
        progress: Told how far the loading is.

    Raises:
        EdgertError: An engine can't be loaded, or the controller not made; nothing stays loaded.
    """
    pool = Pool.open(
        found.built, backend, memory_bytes=memory_bytes, progress=progress, clock=around.clock
    )
    try:
        return _with_controller(found, pool, backend.device(), settings, around, limits=limits)
    except BaseException:
        pool.close()
        raise


def _with_controller(
    found: FoundSet,
    pool: Pool,
    device: str,
    settings: Settings,
    around: Surroundings,
    *,
    limits: Limits,
) -> Engines:
    learned = learned_file(found)
    steering = open_steering(
        found, pool.names, device, settings, around, limits=limits, learned=learned
    )
    serving = Serving(
        pool,
        steering.controller,
        preprocess=Preprocessor(found.family.input),
        clock=around.clock,
        limits=limits,
        telemetry=around.telemetry,
        board=around.board,
        family=found.family,
        header=steering.header,
    )
    return Engines(
        found=found,
        pool=pool,
        serving=serving,
        keeper=learned_keeper(steering.controller, learned, settings.state_every_s),
        shadow=steering.shadow,
        notes=steering.notes,
        device=device,
    )


class Steering(NamedTuple):
    """What chooses among engines, before the first decision."""

    controller: Policy
    header: RunHeader  # of a log that begins with it
    shadow: ShadowRuns | None
    notes: list[str]  # worth an event each


def open_steering(
    found: FoundSet,
    names: Sequence[str],
    device: str,
    settings: Settings,
    around: Surroundings,
    *,
    limits: Limits,
    learned: Path | None = None,
) -> Steering:
    """A controller for a set by its profile, as the settings name it.

    Args:
        found: The set.
        names: Its configurations, dearest first.
        device: The backend's name for it.
        settings: Controller, thermal constants, shadow runs.
        around: Clock, telemetry, board.
        limits: What is asked for now.
        learned: What it learned before, where it is to go on from that; put aside if it is of
            something else.

    Raises:
        EdgertError: There is no such controller, or the profile can't be chosen from.
    """
    file = Path(settings.thermal) if settings.thermal else None
    thermal = thermal_constants(file, settings, device, root=around.root)
    controller = open_controller(settings.controller, found.profile, limits, thermal.constants)
    state, state_note = None, ""
    if learned is not None:
        state, state_note = restore_learned(controller, settings.controller, learned)
    header = RunHeader(
        family=found.family.name,
        source=", ".join(stream.name for stream in settings.streams),
        device=device,
        board=settings.board,
        controller=settings.controller,
        limits=limits,
        configurations=list(names),
        provenance=around.provenance,
        stale=found.stale,
        telemetry="" if around.telemetry is None else around.telemetry.name,
        profile=found.profile,
        thermal=thermal.constants,
        thermal_from=thermal.file,
        state=state,
        state_note=state_note,
    )
    shadow, shadow_note = open_shadow(settings, found.family, names, header, around.clock)
    learned_words = state_note if learned_note(state_note) else ""
    return Steering(
        controller, header, shadow, _notes(found, thermal.note, learned_words, shadow_note)
    )


def learned_file(found: FoundSet) -> Path:
    """Where what a controller learns of a set is kept."""
    return found.stored.folder / _LEARNED


def learned_note(note: str) -> bool:
    """Whether it is worth an event that a controller begins with nothing learned."""
    return bool(note) and "learns nothing" not in note


def _notes(found: FoundSet, *others: str) -> list[str]:
    stale = f"the profile is stale: {'; '.join(found.stale)}" if found.stale else ""
    return [note for note in (stale, *others) if note]
