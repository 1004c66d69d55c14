"""Frames of several streams offered to shadow runs: behind a frame, and only where none waits."""

from typing import Any

from edgert.records import Limits
from edgert.runtime.serving import Served, Serving
from edgert.runtime.shadow_cost import room_for_shadow
from edgert.runtime.stages import Shadow
from edgert.runtime.turns import Turns


class ShadowOffers:
    """Used by the loop's thread alone.

    Attributes:
        shadow: Of the engines that serve; None: nothing is offered. Others after a swap.

    Args:
        shadow: Of the engines that serve at first.
        turns: Knows who waits, and when the next frame is expected.
        decides: What shadow runs show takes the place of the profile's accuracies.
    """

    def __init__(self, shadow: Shadow | None, turns: Turns, *, decides: bool) -> None:
        self.shadow, self._turns, self._decides = shadow, turns, decides

    def take_figures(self, shadow: Shadow | None, serving: Serving) -> None:
        """Go on by the profile that `serving` has now; what was seen of agreement stays.

        Args:
            shadow: Made by that profile; None: it has nothing of the full configuration.
            serving: Believes anew what shadow runs have shown, where they decide.
        """
        if self.shadow is None or shadow is None:
            self.shadow = shadow
        elif serving.profile is not None:
            self.shadow.take_profile(serving.profile)
        if self.shadow is not None and self._decides:
            serving.believe_agreement(self.shadow)

    def saw_frame(self, arrived_s: float) -> None:
        """A frame came, perhaps while a shadow run went on; 0: nobody knows when."""
        if self.shadow is not None and arrived_s:
            self.shadow.saw_frame(arrived_s)

    def offer(self, served: Served, serving: Serving, *, limits: Limits, now_s: float) -> Any:
        """Let the full configuration look at a frame that was served.

        Args:
            served: The frame; what it holds is valid until the next run.
            serving: Whose engines served it.
            limits: Of a turn.
            now_s: The time.

        Returns:
            What was run, with the outcome for the frame's line; None: nothing.
        """
        shadow = self.shadow
        if shadow is None or served.tensor is None or served.logits is None:
            return None
        if self._turns.waits(now_s):
            return None
        run = shadow.after_frame(
            serving.pool,
            served.tensor,
            served.logits,
            served.line,
            free_s=self._turns.free_s(now_s),
            room=room_for_shadow(served.line, limits, shadow.cost),
            book=serving.book,
        )
        if run is not None and self._decides:
            serving.believe_agreement(shadow)
        return run
