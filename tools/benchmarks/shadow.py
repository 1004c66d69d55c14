"""What shadow runs show, against what can be known otherwise, and what they take.

Truth: every configuration runs on every frame of a video or folder of pictures, as does the full
one, which is the agreement that shadow runs can only sample. They sample it as in a run, at a
share of the frames, with the configuration held; interval and truth are set side by side, and with
a profile its stored figure. With labels, mIoU of each configuration and its rank correlation with
the agreement.

Cost: a FrameLoop plays the frames at a period with and without shadow runs, in turns (with,
without, without, with); of each pair the ratio of the medians counts, as the machine drifts. Then
the same in virtual time on an emulated board, for the energy; those figures are emulated.
"""

import argparse
import itertools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import load_family, load_profile
from edgert.backends import open_backend
from edgert.clock import MonotonicClock, VirtualClock
from edgert.control import open_controller
from edgert.emulator.board import EmulatedBoard, loads_from_profile, read_board_spec
from edgert.opening.families import open_built
from edgert.pool import Pool
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import label_agreement, measure_miou
from edgert.profiling.dataset import image_files, open_labelled_frames, read_image
from edgert.records import Family, FrameLog, Limits, Profile, RunHeader
from edgert.runtime import FrameLoop
from edgert.runtime.shadow import ShadowRuns
from edgert.video.sink import open_sink
from edgert.video.source import open_source

_BOARD = Path("profiles") / "boards" / "emulated-orin-nano.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("family", type=Path, help="a family's folder, built")
    parser.add_argument("frames", help="a video, a folder of pictures or test://")
    parser.add_argument("--profile", type=Path, required=True, help="of the family's engines")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="DIR/images and DIR/labels")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--truth-share", type=float, default=0.2, help="of the sampling")
    parser.add_argument("--most", type=int, default=400, help="frames of the truth")
    parser.add_argument("--configuration", help="held while costs are measured (default: second)")
    parser.add_argument("--period-s", type=float, default=0.2)
    parser.add_argument("--played", type=int, default=150, help="frames in a round")
    parser.add_argument("--rounds", type=int, default=3, help="of four plays; 0: no costs")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all of it."""
    folder = load_family(arguments.family)
    backend = open_backend("onnxruntime")
    profile = load_profile(arguments.profile)
    with Pool.open(open_built(folder, backend), backend) as pool:
        tensors = list(_tensors(folder.family, arguments.frames, arguments.most))
        truth = agreements(pool, folder.family, profile, tensors, arguments.truth_share)
        scores = miou(pool, folder.family, arguments.labels) if arguments.labels else {}
        held = arguments.configuration or pool.names[1]
        bench = Bench(folder.family, pool, profile, held, arguments)
        cost = bench.latencies() if arguments.rounds else None
        energy = bench.energy() if arguments.rounds else None
    for row in truth:
        row["miou"] = scores.get(row["name"])
    shares = [row["truth"] for row in truth]
    return {
        "frames": len(tensors), "truth_share": arguments.truth_share, "share": arguments.share,
        "agreement": truth, "held": held, "period_s": arguments.period_s,
        "rank_correlation_with_miou": rank_correlation(shares, [scores[r["name"]] for r in truth])
        if scores else None,
        "cost": cost, "energy_emulated": energy,
    }  # fmt: skip


def text_from(result: dict[str, Any]) -> str:
    """The result as tables."""
    lines = [
        f"agreement with the full configuration over {result['frames']} frames, sampled at "
        f"{result['truth_share']:.0%}",
        "  name     truth    live (95 % interval), samples       held  in the profile   mIoU",
    ]
    for row in result["agreement"]:
        score = "" if row["miou"] is None else f"{row['miou']:.2%}"
        stored = "" if row["stored"] is None else f"{row['stored']:.2%}"
        lines.append(
            f"  {row['name']:8} {row['truth']:.2%}  {row['live']:.2%} ({row['low']:.2%} to "
            f"{row['high']:.2%}), {row['samples']:3}  {'yes' if row['held'] else 'NO ':3}  "
            f"{stored:>14}  {score:>6}"
        )
    if (rank := result["rank_correlation_with_miou"]) is not None:
        lines.append(f"  rank correlation of agreement with mIoU: {rank:.2f}")
    if result["cost"] is not None:
        lines += _cost_lines(result, result["cost"], result["energy_emulated"])
    return "\n".join(lines)


def _cost_lines(result: dict[str, Any], cost: dict[str, Any], energy: dict[str, Any]) -> list[str]:
    return [
        f"cost of a share of {result['share']:.0%}, {result['held']} at a period of "
        f"{result['period_s'] * 1e3:.0f} ms, {cost['rounds']} rounds of 4 x {cost['played']}",
        f"  median latency with over without: {cost['ratio_median']:.3f} "
        f"({cost['ratio_least']:.3f} to {cost['ratio_most']:.3f})",
        f"  frame behind a shadow run over others: {cost['behind_ratio']:.3f} (median of "
        f"{cost['behind_count']})",
        f"  {cost['runs']} shadow runs, {cost['shadow_ms']:.1f} ms each (median), busy "
        f"{cost['busy_share']:.2%} of the time; {cost['delayed']} frames delayed, by "
        f"{cost['delay_ms']:.1f} ms together; refused: {cost['refused'] or 'none'}",
        f"  energy (emulated, {energy['board']}): {energy['without_j']:.1f} J without, "
        f"{energy['with_j']:.1f} J with {energy['runs']} runs ({energy['more_share']:+.2%}); told "
        f"{energy['told_j']:.1f} J by {energy['told_from']}, in truth {energy['more_j']:.1f} J",
    ]


def agreements(
    pool: Pool,
    family: Family,
    profile: Profile,
    tensors: Sequence[NDArray[np.float32]],
    share: float,
) -> list[dict[str, Any]]:
    """Of every configuration but the full one: agreement over all frames, and as sampled."""
    full = pool.names[0]
    clock = VirtualClock()
    shadow = ShadowRuns(
        share, full=full, names=pool.names, task=family.task, profile=profile, clock=clock
    )
    rows = []
    references = [pool.run_beside(full, tensor).copy() for tensor in tensors]
    for name in pool.names[1:]:
        true: list[float] = []
        pool.activate(name)
        for index, tensor in enumerate(tensors):
            logits = pool.run(tensor)
            true.append(label_agreement(logits, references[index]))
            line = FrameLog(
                frame=index, time_s=0.0, configuration=name, reason="held",
                latency_s=profile.entry(name).latency_s,
            )  # fmt: skip
            shadow.after_frame(pool, tensor, logits, line, free_s=float("inf"), room="")
        live = shadow.agreement(name)
        if live is None:
            raise ValueError(f"no frame of {name} was sampled: more frames or a larger share")
        mean = statistics.fmean(true)
        rows.append({
            "name": name, "truth": mean, "live": live.mean, "low": live.low, "high": live.high,
            "samples": live.frames, "held": live.low <= mean <= live.high,
            "stored": profile.entry(name).agreement,
        })  # fmt: skip
    return rows


def miou(pool: Pool, family: Family, folder: Path) -> dict[str, float]:
    """Of every configuration, on labelled frames."""
    preprocess = Preprocessor(family.input)
    known, scores = open_labelled_frames(folder), {}
    for name in pool.names:
        pool.activate(name)
        frames = ((preprocess(image), labels) for image, labels in known)
        scores[name], _ = measure_miou(
            pool.run, frames, classes=len(family.labels), ignore_label=family.ignore_label
        )
    return scores


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


class Bench:
    """Plays the frames with and without shadow runs, one configuration held."""

    def __init__(
        self,
        family: Family,
        pool: Pool,
        profile: Profile,
        held: str,
        arguments: argparse.Namespace,
    ) -> None:
        self.family, self.pool, self.held, self.arguments = family, pool, held, arguments
        self.profile = profile
        entries = [profile.entry(held)]
        self.only = Profile(family=profile.family, device=profile.device, entries=entries)

    def latencies(self) -> dict[str, Any]:
        """With over without, on this machine's clock."""
        ratios: list[float] = []
        behind: list[float] = []
        shadow_s: list[float] = []
        runs = delayed = 0
        busy_s = delay_s = played_s = 0.0
        refused: dict[str, int] = {}
        self._play(None, MonotonicClock())  # warms up
        for _ in range(self.arguments.rounds):
            medians: dict[bool, list[float]] = {True: [], False: []}
            for on in (True, False, False, True):
                clock = MonotonicClock()
                shadow = self._shadow(clock) if on else None
                lines = self._play(shadow, clock)
                medians[on].append(_median(lines))
                if shadow is None:
                    continue
                status = shadow.status()
                runs, delayed = runs + status.runs, delayed + status.delayed_frames
                busy_s, delay_s = busy_s + status.busy_s, delay_s + status.delay_s
                played_s += lines[-1].time_s
                for why, count in status.refused.items():
                    refused[why] = refused.get(why, 0) + count
                shadow_s += [line.shadow.latency_s for line in lines if line.shadow is not None]
                middle = _median(lines)
                behind += [
                    (after.latency_s or 0.0) / middle
                    for before, after in itertools.pairwise(lines)
                    if before.shadow is not None
                ]
            pairs = zip(medians[True], medians[False], strict=True)
            ratios += [with_s / without_s for with_s, without_s in pairs]
        return {
            "rounds": self.arguments.rounds, "played": self.arguments.played, "runs": runs,
            "ratio_median": statistics.median(ratios), "ratio_least": min(ratios),
            "ratio_most": max(ratios), "behind_ratio": statistics.median(behind),
            "behind_count": len(behind), "shadow_ms": 1e3 * statistics.median(shadow_s),
            "busy_share": busy_s / played_s, "delayed": delayed, "delay_ms": 1e3 * delay_s,
            "refused": refused,
        }  # fmt: skip

    def energy(self) -> dict[str, Any]:
        """Of an emulated board in virtual time: one play's frames with and without its runs.

        The play's own seconds are booked on two more boards, once with the shadow runs and once
        without, so that what this machine does meanwhile is the same for both.
        """
        clock, spec = VirtualClock(), read_board_spec(_BOARD)
        shadow = self._shadow(clock, idle_w=spec.power.idle_w)
        board = EmulatedBoard(spec, clock, loads=loads_from_profile(self.profile))
        lines = self._play(shadow, clock, board)
        drawn = {on: self._booked_j(lines, shadow.full, on=on) for on in (False, True)}
        status, more_j = shadow.status(), drawn[True] - drawn[False]
        return {
            "board": _BOARD.stem, "without_j": drawn[False], "with_j": drawn[True],
            "more_j": more_j, "more_share": more_j / drawn[False], "runs": status.runs,
            "told_j": status.energy_j or 0.0, "told_from": status.energy_from or "nothing",
        }  # fmt: skip

    def _booked_j(self, lines: Sequence[FrameLog], full: str, *, on: bool) -> float:
        clock, spec = VirtualClock(), read_board_spec(_BOARD)
        board = EmulatedBoard(spec, clock, loads=loads_from_profile(self.profile))
        for line in lines:
            engine_s = (line.latency_s or 0.0) - line.numbers.get("preprocess_s", 0.0)
            board.run_engine(line.configuration, engine_s)
            if on and line.shadow is not None:
                board.run_engine(full, line.shadow.latency_s)
            clock.sleep(self.arguments.period_s)
            board.read()
        return board.energy_j

    def _shadow(self, clock: Any, *, idle_w: float | None = None) -> ShadowRuns:
        return ShadowRuns(
            self.arguments.share, full=self.pool.names[0], names=self.pool.names,
            task=self.family.task, profile=self.profile, clock=clock, idle_w=idle_w,
        )  # fmt: skip

    def _play(self, shadow: ShadowRuns | None, clock: Any, board: Any = None) -> list[FrameLog]:
        limits = Limits(period_s=self.arguments.period_s)
        lines: list[FrameLog] = []
        source = open_source(self.arguments.frames, loops=1000, max_frames=self.arguments.played)
        FrameLoop(
            source, self.pool, open_controller("fixed-dearest", self.only, limits),
            preprocess=Preprocessor(self.family.input),
            sink=open_sink("none", fps=source.fps, width=source.width, height=source.height),
            board=board, clock=clock, limits=limits, paced=True, shadow=shadow,
            on_frame=lines.append,
            header=RunHeader(
                family=self.family.name, source=source.uri, device=self.profile.device,
                controller="fixed-dearest", limits=limits, configurations=[self.held],
            ),
        ).run()  # fmt: skip
        return lines


def _median(lines: Sequence[FrameLog]) -> float:
    return statistics.median([line.latency_s for line in lines if line.latency_s is not None])


def _tensors(family: Family, frames: str, most: int) -> Iterator[NDArray[np.float32]]:
    preprocess = Preprocessor(family.input)
    if Path(frames).is_dir():
        for file in image_files(Path(frames))[:most]:
            yield preprocess(read_image(file)).copy()
        return
    source = open_source(frames, max_frames=most)
    try:
        while (frame := source.read()) is not None:
            yield preprocess(frame.image).copy()
    finally:
        source.close()
