"""A controller with all that it is told between two frames: limits, pins, accuracies to believe.

What it was told is kept until a log has it: in the next line, or in the header of the next file.
So what is logged is what the controller was given, and replays.
"""

from collections.abc import Mapping

import msgspec

from edgert.control.base import (
    BelievingPolicy,
    ForecastingPolicy,
    LearningPolicy,
    PinnablePolicy,
    Policy,
)
from edgert.errors import SettingsError
from edgert.records import FrameLog, Limits, Profile, RunHeader
from edgert.runtime.belief import accuracies_from_agreement, is_news
from edgert.runtime.stages import Shadow


class Steered:
    """Use it from one thread.

    Attributes:
        controller: Decides before every frame.
        limits: What it holds.
        pinned: What it was told to run whatever the limits say, also before the last start.

    Args:
        controller: Before its first decision; what it learned before is restored already.
        limits: Those that it was made with.
        header: What a decision log of it begins with, as it was made; None: there is no log.
    """

    def __init__(self, controller: Policy, limits: Limits, header: RunHeader | None) -> None:
        self.controller, self.limits = controller, limits
        learned = controller.state() if isinstance(controller, LearningPolicy) else None
        self.pinned = None if learned is None else learned.pinned
        self._header = header
        self._decided = False  # whether the controller knows more than the header has of it
        self._told_pin: str | msgspec.UnsetType | None = msgspec.UNSET
        self._believed: dict[str, float] = {}
        self._told_belief: dict[str, float] | None = None

    @property
    def header(self) -> RunHeader | None:
        """What a decision log of it begins with, as it was made; from any thread."""
        return self._header

    @property
    def profile(self) -> Profile | None:
        """What the engines cost and give, as the header has it."""
        return None if self._header is None else self._header.profile

    def take_limits(self, limits: Limits) -> bool:
        """Hold other limits from now on; whether they are others."""
        if limits == self.limits:
            return False
        self.limits = self.controller.limits = limits
        return True

    def take_figures(self, controller: Policy, header: RunHeader) -> None:
        """Go on by other figures of the same engines.

        A controller that learns takes the profile itself, and keeps what it knows of the board.
        With other thermal constants a new one goes on from its state; in the place of any other
        comes a new one. Beliefs and a pin are given up where they are not told again; the next
        line of the log belongs below `header_now`.

        Args:
            controller: A new one by these figures, which so have been found to be of use.
            header: As it was made.
        """
        old, before = self.controller, self._header
        same = before is not None and before.controller == header.controller
        if same and isinstance(old, LearningPolicy) and isinstance(controller, LearningPolicy):
            if header.profile is not None:
                old.take_profile(header.profile)
            state = old.state()
            self.pinned, self._decided = state.pinned, True
            if before is not None and before.thermal != header.thermal:
                controller.restore(state)
                self.controller, self._decided = controller, False
                header = msgspec.structs.replace(header, state=state)
        else:
            self.controller, self._decided, self.pinned = controller, False, None
        self.controller.limits = self.limits
        self._header = header
        self._told_pin, self._told_belief, self._believed = msgspec.UNSET, None, {}

    def pin(self, name: str | None) -> None:
        """Run one configuration whatever the limits say; None: let the controller choose again.

        Raises:
            SettingsError: There is none of that name, or the controller can't be told to.
        """
        if name is None and self.pinned is None:
            return
        if not isinstance(self.controller, PinnablePolicy):
            raise SettingsError(
                f"pin {name}",
                expected="a controller that can be told what to run",
                got=type(self.controller).__name__,
                advice="Take one that edgert.control.open_controller makes",
            )
        try:
            self.controller.pin(name)
        except KeyError as error:
            raise SettingsError(
                f"pin {name}",
                expected="a configuration of these engines",
                got="none of that name",
                advice=str(error.args[0]),
            ) from error
        self.pinned = self._told_pin = name

    def repin(self, name: str | None) -> str:
        """As `pin`, where it isn't so already; why it can't be, in words, in place of an error."""
        if name != self.pinned:
            try:
                self.pin(name)
            except SettingsError as error:
                return str(error)
        return ""

    def believe(self, accuracies: Mapping[str, float]) -> None:
        """Let the controller choose by other accuracies than the profile's, where it can."""
        if isinstance(self.controller, BelievingPolicy) and accuracies != self._believed:
            self.controller.believe(accuracies)
            self._believed = self._told_belief = dict(accuracies)

    def believe_agreement(self, shadow: Shadow) -> None:
        """Let the controller choose by what agrees live, once enough was seen and it is news."""
        if self.profile is None:
            return
        found = accuracies_from_agreement(self.profile, shadow.full, shadow.agreements())
        if is_news(self._believed, found):
            self.believe(found)

    def forecast_c(self, horizon_s: float) -> float | None:
        """The die's temperature after a time in which all stays so; None where nobody knows."""
        if not isinstance(self.controller, ForecastingPolicy):
            return None
        return self.controller.forecast_c(horizon_s)

    # ------------------------------------------------------------ for the log

    def header_now(self) -> RunHeader:
        """The first line of a log that begins here.

        Before the first decision it has what the controller was made from, to the last digit.
        After it `goes_on`, with what was learned so far; what the state doesn't hold, as
        accuracies from shadow runs or a pin where nothing is learned, the next line repeats.

        Raises:
            ValueError: It was made without a header.
        """
        if self._header is None:
            raise ValueError("a Serving without a header has no log")
        header = msgspec.structs.replace(self._header, limits=self.limits)
        if not self._decided:
            # A state that is restored is not the same as none: it leaves less to be learned.
            return header
        state = header.state
        if isinstance(self.controller, LearningPolicy):
            state = self.controller.state()
        elif self.pinned is not None:
            self._told_pin = self.pinned
        if self._believed:
            self._told_belief = self._believed
        return msgspec.structs.replace(header, state=state, goes_on=True)

    def _with_told(self, line: FrameLog) -> FrameLog:
        """The line, with what the controller was told since the line before."""
        line = msgspec.structs.replace(line, pinned=self._told_pin, believed=self._told_belief)
        self._told_pin, self._told_belief = msgspec.UNSET, None
        return line
