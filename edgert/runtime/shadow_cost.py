"""What a run of the full configuration takes on the board as it is now, and if it has room."""

from collections import deque
from typing import Literal

from edgert.control.options import Option, Options
from edgert.records import FrameLog, Limits, Profile
from edgert.runtime.summary import quantile

MARGIN = 1.25  # of expected seconds, so that one that takes longer still ends in time
NEAR_LIMIT_C = 1.0  # this far below the temperature limit the board is warm enough as it is
KnownFrom = Literal["", "telemetry", "controller", "profile"]
_KEPT = 31  # runs that say how much longer than expected they take


class FullRun:
    """Seconds and joules of one run of the full configuration beside another one's frame.

    Args:
        profile: Of the family on this board.
        full: The configuration that others are held against.
        share: Of the frames that have a shadow run: what readings have of them in the mean.
        idle_w: What the board draws with nothing to do; None: as the controller takes it from
            the profile.

    Raises:
        KeyError: The profile has no such configuration.
    """

    def __init__(
        self, profile: Profile, full: str, *, share: float = 0.0, idle_w: float | None = None
    ) -> None:
        entry = profile.entry(full)
        options = Options(profile, idle_w=idle_w)
        self.idle_w = options.idle_w
        self._latency_s = entry.latency_s
        self._options = options.all_rows
        self._full = options.all_rows[full]
        self._power_known, self._share = options.power_known, share
        measured = any(each.energy is not None for each in profile.entries)
        self._idle_known = idle_w is not None or measured
        self._longer: deque[float] = deque(maxlen=_KEPT)  # measured over expected

    def expected_s(self, line: FrameLog) -> float:
        """Seconds on the board, margin included, given how slow the last frame shows it to be."""
        longer = quantile(self._longer, 0.5) or 1.0
        return self._latency_s * self._slowdown(line) * longer * MARGIN

    def learn(self, line: FrameLog, took_s: float) -> None:
        """Take in what one took, all that belongs to it included."""
        self._longer.append(took_s / (self._latency_s * self._slowdown(line)))

    def energy_j(self, line: FrameLog, took_s: float, period_s: float | None) -> float | None:
        """What one run draws above idle; None where neither readings nor the profile say.

        From what the board draws now where its idle power is known: the part above idle while
        `line`'s configuration runs, times what the full one takes of it by the profile. A reading
        has shadow runs in it, as a mean: they are taken out. Else from the profile's power.
        """
        row = self._options.get(line.configuration)
        drawn_w = line.power_w if line.power_w is not None else _expected_w(line)
        if self._by_readings(line) and drawn_w is not None and row and line.latency_s:
            ratio = self._ratio(row)
            frame_j = max(drawn_w - self.idle_w, 0.0) * max(period_s or 0.0, line.latency_s)
            return frame_j * ratio / (1 + self._share * ratio)
        if self._power_known:
            return (self._full.power_w - self.idle_w) * took_s
        return None

    def energy_from(self, line: FrameLog) -> KnownFrom:
        """Where `energy_j` has its figure from; "" where it has none."""
        if self._by_readings(line):
            return "controller" if line.power_w is None else "telemetry"
        return "profile" if self._power_known else ""

    def _by_readings(self, line: FrameLog) -> bool:
        known = line.power_w is not None or _expected_w(line) is not None
        return known and (self._idle_known or not self._power_known)

    def _ratio(self, row: Option) -> float:
        """Energy above idle of the full configuration's inference over another one's."""
        if self._power_known and row.energy_j > 0:
            return self._full.energy_j / row.energy_j
        return self._full.latency_s / row.latency_s

    def _slowdown(self, line: FrameLog) -> float:
        """How much longer engines take now than in the profile."""
        if known := line.numbers.get("slowdown"):
            return known
        row = self._options.get(line.configuration)
        if row is None or line.latency_s is None:
            return 1.0
        engine_s = line.latency_s - line.numbers.get("preprocess_s", 0.0)
        return max(engine_s / row.latency_s, 0.1)


def room_for_shadow(line: FrameLog, limits: Limits, full: FullRun) -> str:
    """Why deadline, power or temperature leave no room behind a frame; "" where they do.

    The reasons are a handful of fixed words, to be counted. Power: with a shadow run in it, the
    mean over the frame's period has to stay below the cap that the controller keeps (budget, heat,
    energy, over-current), or below the budget where the controller states no cap.

    Args:
        line: The frame as it will be logged.
        limits: Of the moment.
        full: What a shadow run takes.
    """
    if line.skip or line.latency_s is None:
        return "frame skipped"
    if line.met_deadline is False:
        return "late"
    if line.throttled:
        return "throttled"
    if limits.temp_c is not None:
        if line.temp_c is None:
            return "no temperature read"
        if line.temp_c >= limits.temp_c - NEAR_LIMIT_C:
            return "too hot"
    return _power(line, limits, full)


def _power(line: FrameLog, limits: Limits, full: FullRun) -> str:
    cap_w = min(
        line.numbers.get("cap_w", float("inf")),
        float("inf") if limits.power_w is None else limits.power_w,
    )
    if cap_w == float("inf"):
        return ""
    expected_w = line.power_w if (known_w := _expected_w(line)) is None else known_w
    took_s = full.expected_s(line) / MARGIN
    energy_j = full.energy_j(line, took_s, limits.period_s)
    if expected_w is None or energy_j is None or line.latency_s is None:
        return "no power read"
    frame_s = max(limits.period_s or 0.0, line.latency_s)
    both_s = max(frame_s, line.latency_s + took_s)
    mean_w = full.idle_w + ((expected_w - full.idle_w) * frame_s + energy_j) / both_s
    return "no power to spare" if mean_w > cap_w else ""


def _expected_w(line: FrameLog) -> float | None:
    return line.numbers.get("expected_power_w")
