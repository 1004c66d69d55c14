"""`edgert calibrate FAMILY`: how the board takes up heat and gives it away, from one step test."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgert.artifacts import BuiltSet, save_thermal, thermal_path
from edgert.backends.base import Backend
from edgert.boards import find_board, read_machine
from edgert.cli.arguments import positive_float
from edgert.cli.energy_bench import Bench, emulated_bench, real_bench
from edgert.cli.families import add_family_argument, settings_from
from edgert.cli.output import ProgressBar, print_json
from edgert.cli.profile_energy import seconds
from edgert.cli.thermal_table import print_constants
from edgert.emulator.power import EngineLoad
from edgert.errors import UsageError
from edgert.opening.boards import find_board_spec
from edgert.opening.families import (
    backend_from_settings,
    find_family,
    open_built,
    trusted_keys_from,
)
from edgert.pool import Pool
from edgert.profiling.latency import measure_latencies
from edgert.profiling.thermal.checks import StepPlan
from edgert.profiling.thermal.constants import Subject, constants_from
from edgert.profiling.thermal.step import calibrate, play_step_test

_DEFAULTS = StepPlan()
_SETTLED_S = 3.0  # a real source may hand out powers late: jetson-stats by most of a second
_ROUNDS = 5  # of timing, where an emulated board is told how long a run takes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument(
        "--board", default="", metavar="NAME", help="emulated board, which heats in virtual time"
    )
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="with --board, where it goes without saying: nothing runs but the board's own time",
    )
    parser.add_argument(
        "--telemetry",
        metavar="NAME",
        help="what power and heat are read with: sysfs, jtop, nvml or rapl (default: found)",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where /sys and /proc lie (default: /)"
    )
    parser.add_argument(
        "--idle-s",
        type=positive_float,
        default=_DEFAULTS.idle_s,
        metavar="S",
        help="rest before and after the load (default: %(default)g)",
    )
    parser.add_argument(
        "--step-s",
        type=positive_float,
        default=_DEFAULTS.step_s,
        metavar="S",
        help="the dearest engine back to back (default: %(default)g)",
    )
    parser.add_argument(
        "--most-temp-c",
        type=positive_float,
        metavar="C",
        help="the load ends at this temperature (default: 5 K below the board's trip point)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the constants, JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the step test, write the constants, and print them."""
    _refuse_both(arguments)
    settings = settings_from(arguments)
    folder = find_family(arguments.family)
    backend = backend_from_settings(settings)
    built = open_built(folder, backend, trusted_keys=trusted_keys_from(settings))
    output = arguments.output or thermal_path(Path("profiles"), backend.device(), arguments.board)
    engine = built.manifest.engines[0].name
    with ExitStack() as undo:
        # What is measured has to be loaded: in place of an engine that isn't, another would run.
        pool = undo.enter_context(
            Pool.open(
                built, backend, memory_bytes=settings.engines.memory_bytes, all_resident=True
            )
        )
        bench = _bench(arguments, undo, built, _run_of(pool))
        plan = _plan(arguments, bench)
        progress = undo.enter_context(ProgressBar("calibrate"))
        test = play_step_test(bench.step_of(engine), bench.meter, plan, seconds(progress))
    found = calibrate(test)
    constants = constants_from(found, test, plan, _subject(arguments, backend, engine))
    save_thermal(output, constants)
    if arguments.json:
        print_json({"file": str(output), "constants": constants, "errors": found.fit.errors})
    else:
        print_constants(output, constants, found)
    return 0


def _refuse_both(arguments: argparse.Namespace) -> None:
    """Flags that don't go together.

    Raises:
        UsageError: An emulated board and sensors; virtual time without an emulated board.
    """
    if arguments.board and (arguments.telemetry or arguments.root):
        raise UsageError(
            "--board and --telemetry or --root",
            expected="an emulated board or sensors",
            got="both",
            advice="Leave one of them out",
        )
    if arguments.virtual_time and not arguments.board:
        raise UsageError(
            "--virtual-time",
            expected="--board beside it",
            got="none",
            advice="Add --board, as a real board heats in real time only",
        )


def _run_of(pool: Pool) -> Callable[[str], Callable[[], Any]]:
    """For a name, what runs that engine once, on noise: what it costs is not the picture's."""
    noise = np.random.default_rng(0).standard_normal(pool.input.shape).astype(np.float32)

    def run_of(name: str) -> Callable[[], Any]:
        pool.activate(name)
        return lambda: pool.run(noise)

    return run_of


def _bench(
    arguments: argparse.Namespace,
    undo: ExitStack,
    built: BuiltSet,
    run_of: Callable[[str], Callable[[], Any]],
) -> Bench:
    if not arguments.board:
        return undo.enter_context(
            real_bench(
                arguments.telemetry or "",
                arguments.root or Path("/"),
                run_of,
                purpose="calibrate",
                flag="--telemetry",
            )
        )({})
    open_bench = undo.enter_context(emulated_bench(arguments.board))
    engine = built.manifest.engines[0]
    latency = measure_latencies({engine.name: run_of(engine.name)}, rounds=_ROUNDS)
    load = EngineLoad(latency_s=latency[engine.name].median_s, macs=engine.cost.macs)
    return open_bench({engine.name: load})


def _plan(arguments: argparse.Namespace, bench: Bench) -> StepPlan:
    trip_c = find_board_spec(arguments.board).throttle.trip_c if arguments.board else None
    return StepPlan(
        idle_s=arguments.idle_s,
        step_s=arguments.step_s,
        settled_s=bench.lead_s if arguments.board else max(bench.lead_s, _SETTLED_S),
        most_temp_c=arguments.most_temp_c,
        trip_c=trip_c,
    )


def _subject(arguments: argparse.Namespace, backend: Backend, engine: str) -> Subject:
    device = backend.device()
    if arguments.board:
        name = find_board_spec(arguments.board).name
        return Subject(device=device, board=name, engine=engine, emulated=True)
    machine = read_machine(arguments.root or Path("/"))
    board = find_board(machine)
    return Subject(
        device=device,
        board=board.name if board else "",
        engine=engine,
        power_mode=machine.power_mode,
    )
