"""All controllers on all days: what is to be run, in worker processes, resumed from a file.

Seeds 0 to 19 are for tuning, 100 to 139 are reported; see `scenarios`.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgert.artifacts.trace import read_trace
from edgert.evaluation.board import draw_board
from edgert.evaluation.day import Day, make_day
from edgert.evaluation.family import open_family
from edgert.evaluation.results import ORACLE, ResultLine, Results, RunKey, code_stamp
from edgert.evaluation.run import check_controller, evaluate
from edgert.evaluation.scenarios import open_scenario
from edgert.evaluation.trace_day import day_from_points
from edgert.evaluation.variants import open_variant
from edgert.evaluation.workers import results_of
from edgert.records import Record

NOMINAL = "nominal"


class Campaign(Record, frozen=True, kw_only=True):
    """What is to be run. Every name is checked by `check`.

    traces: Files of recorded days, by the name that stands for them among the scenarios.
    """

    controllers: Sequence[str]
    scenarios: Sequence[str]
    variants: Sequence[str]
    seeds: Sequence[int]
    family: str = "wide"
    duration_s: int = 900
    traces: dict[str, str] = msgspec.field(default_factory=dict)

    def check(self) -> None:
        """Refuse names that there are not, before anything runs.

        Raises:
            SettingsError: An unknown controller, scenario, variant or family.
            ArtifactError: A trace that can't be read, or is too short or too long.
        """
        for name in self.controllers:
            if name != ORACLE:
                check_controller(name)
        for name in self.scenarios:
            if name in self.traces:
                _recorded_day(name, self.traces[name], seed=0)
            else:
                open_scenario(name)
        for name in self.variants:
            open_variant(name)
        open_family(self.family)


class Unit(NamedTuple):
    """The runs of one day that are missing, and what the day is made from."""

    keys: list[RunKey]
    trace: str | None = None


def has_oracle() -> bool:
    """Whether the oracle can be asked: it and scipy are there."""
    return all(
        importlib.util.find_spec(name) is not None
        for name in ("edgert.evaluation.oracle", "scipy")
    )


def keys_of(campaign: Campaign) -> Iterator[list[RunKey]]:
    """The runs of each day in turn: every controller, seed by seed.

    The oracle knows the true constants and needs no telemetry, so it is asked once for all
    variants.
    """
    stamps = {name: code_stamp(name) for name in campaign.controllers}
    for seed in campaign.seeds:
        for scenario in campaign.scenarios:
            for variant in campaign.variants:
                yield [
                    RunKey(
                        controller=name,
                        scenario=scenario,
                        variant=NOMINAL if name == ORACLE else variant,
                        seed=seed,
                        family=campaign.family,
                        duration_s=campaign.duration_s,
                        code=stamps[name],
                    )
                    for name in campaign.controllers
                    if name != ORACLE or variant == campaign.variants[0]
                ]


def missing_units(campaign: Campaign, known: Iterable[RunKey]) -> list[Unit]:
    """What is still to be run, day by day."""
    done = set(known)
    units = []
    for keys in keys_of(campaign):
        missing = [key for key in keys if key not in done]
        if missing:
            units.append(Unit(missing, campaign.traces.get(missing[0].scenario)))
    return units


def run_campaign(
    campaign: Campaign,
    results: Results,
    *,
    jobs: int = 2,
    on_unit: Callable[[int, int], None] | None = None,
) -> None:
    """Run what `results` lacks and add it, each day's lines as soon as they are there.

    Args:
        campaign: What is to be there in the end.
        results: What is there already, and where the rest goes.
        jobs: Worker processes; 1: this process does it.
        on_unit: Told how many of the days that were missing are done, and of how many.

    Raises:
        SettingsError: A name that there is not.
        ArtifactError: A trace that can't be read, a file that can't be written.
        BackendError: A worker died.
    """
    campaign.check()
    units = missing_units(campaign, results.lines)
    for done, lines in enumerate(results_of(run_unit, units, jobs=jobs), start=1):
        for line in lines:
            results.add(line)
        if on_unit is not None:
            on_unit(done, len(units))


def run_unit(unit: Unit) -> list[ResultLine]:
    """All runs of one day."""
    first = unit.keys[0]
    day, profile = open_day(first, unit.trace), open_family(first.family)
    lines = []
    for key in unit.keys:
        if key.controller == ORACLE:
            oracle = importlib.import_module("edgert.evaluation.oracle")
            accuracy = float(oracle.score(day, profile).accuracy)
            lines.append(ResultLine(key=key, oracle=accuracy))
        else:
            outcome = evaluate(key.controller, day, profile, open_variant(key.variant))
            lines.append(ResultLine(key=key, outcome=outcome))
    return lines


def open_day(key: RunKey, trace: str | None = None) -> Day:
    """The day of a run: drawn, or from a trace on a board drawn from the seed."""
    if trace is None:
        return make_day(key.scenario, key.seed, duration_s=key.duration_s)
    return _recorded_day(key.scenario, trace, seed=key.seed)


def _recorded_day(name: str, trace: str, *, seed: int) -> Day:
    points = read_trace(Path(trace))
    board, _ = draw_board(seed, ambient_c=points[0].ambient_c or 25.0)
    return day_from_points(points, board, name=name, seed=seed)
