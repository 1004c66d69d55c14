"""Everything that a run needs, opened in order, and the run itself."""

import argparse
import math
import sys
from contextlib import ExitStack
from typing import Any

import msgspec

from edgert.cli.families import open_profile
from edgert.cli.output import ProgressBar
from edgert.cli.run_given import (
    World,
    restore_state,
    shadow_runs,
    state_keeper,
    world_from,
)
from edgert.cli.run_outputs import open_outputs
from edgert.control.base import Policy
from edgert.opening.families import (
    backend_from_settings,
    find_family,
    open_built,
    profile_path,
    trusted_keys_from,
)
from edgert.opening.telemetry import open_telemetry, provenance_of
from edgert.opening.thermal import thermal_constants
from edgert.records import Family, FrameLog, Profile, Provenance, RunHeader
from edgert.settings import Settings


def play(arguments: argparse.Namespace, settings: Settings) -> tuple[Any, RunHeader, Profile]:
    """Open everything, play the source, close everything.

    Returns:
        The run's summary, its log's header, and the profile.

    Raises:
        EdgertError: Something could not be opened, or a stage of the run failed.
    """
    from edgert.control import open_controller
    from edgert.pool import Pool, plan_built, text_from_plan

    family = (folder := find_family(arguments.family)).family
    backend = backend_from_settings(settings)
    built = open_built(folder, backend, trusted_keys=trusted_keys_from(settings))
    board_flag = f" --board {settings.board}" if settings.board else ""
    profile, stale = open_profile(
        arguments.profile or profile_path(folder, backend, settings.board),
        built,
        backend,
        measure=f"edgert profile {arguments.family}{board_flag}",
    )
    world = world_from(arguments, settings, profile)
    thermal, thermal_from, note = thermal_constants(arguments.thermal, settings, backend.device())
    if note:
        print(note, file=sys.stderr)
    controller = open_controller(settings.controller, profile, settings.limits, thermal)
    state, state_note = restore_state(controller, settings)
    header = RunHeader(
        family=family.name,
        source=arguments.source,
        device=backend.device(),
        board=settings.board,
        controller=settings.controller,
        limits=settings.limits,
        configurations=[],
        stale=stale,
        trace="" if arguments.trace is None else str(arguments.trace),
        profile=profile,
        thermal=thermal,
        thermal_from=thermal_from,
        state=state,
        state_note=state_note,
    )
    memory_bytes = settings.engines.memory_bytes
    plan = plan_built(built, backend, memory_bytes=memory_bytes)
    if not plan.all_resident:  # what is loaded ahead, and what it costs, before anything is
        print(text_from_plan(plan), file=sys.stderr)
    with Pool.open(built, backend, memory_bytes=memory_bytes) as pool:
        summary, header = _run(
            arguments,
            settings,
            family=family,
            pool=pool,
            controller=controller,
            world=world,
            header=header,
        )
    return summary, header, profile


def _run(
    arguments: argparse.Namespace,
    settings: Settings,
    *,
    family: Family,
    pool: Any,
    controller: Policy,
    world: World,
    header: RunHeader,
) -> tuple[Any, RunHeader]:
    from edgert.preprocess import Preprocessor
    from edgert.runtime import FrameLoop, install_signal_handlers
    from edgert.video.source import open_source

    clock, board, circumstances = world
    with ProgressBar("run") as progress, ExitStack() as undo:
        provenance: Provenance | None = "emulated" if board is not None else None
        telemetry = None
        if board is None and not arguments.virtual_time:
            telemetry, note = open_telemetry(settings, clock)
            if note:
                print(note, file=sys.stderr)
        if telemetry is not None:
            undo.callback(telemetry.close)
            provenance = provenance_of(telemetry, clock)
        source = open_source(
            arguments.source,
            loops=arguments.loops,
            max_frames=arguments.max_frames,
            decoder=arguments.decoder,
        )
        undo.callback(source.close)
        outputs = open_outputs(arguments.output, family, source, undo)
        seen = board if telemetry is None else telemetry
        header = msgspec.structs.replace(
            header,
            source=source.uri,
            configurations=list(pool.names),
            provenance=provenance,
            telemetry="" if seen is None else seen.name,
        )
        keeper = state_keeper(controller, settings)
        if keeper is not None:
            undo.callback(keeper.close)

        def on_frame(line: FrameLog) -> None:
            progress(line.frame + 1, arguments.max_frames or 0, "frames")

        loop = FrameLoop(
            source,
            pool,
            controller,
            preprocess=Preprocessor(family.input),
            sink=outputs.sink,
            overlay=outputs.overlay,
            board=board,
            telemetry=telemetry,
            clock=clock,
            limits=settings.limits,
            log=arguments.log,
            header=header,
            on_frame=on_frame,
            on_result=outputs.on_result,
            latency_scale=settings.latency_scale,
            circumstances=circumstances,
            after_frame=None if keeper is None else keeper.after_frame,
            max_s=arguments.max_s or math.inf,
            shadow=shadow_runs(settings, family, pool.names, header, clock),
            shadow_decides=settings.shadow.decides,
        )
        with install_signal_handlers(loop):
            return loop.run(), header
