"""How often a stream is served: once a period on average, however its frames arrive."""


class Rhythm:
    """Says until when a stream rests after a frame.

    A camera's frames never come exactly when they are due. One that comes up to half a frame's
    time early is taken, and the next is due by the plan all the same, so that a camera whose own
    rhythm is the period gets every frame served, and a faster one no more than asked for. After a
    whole period without a frame the plan begins anew: nothing is made up for.

    Attributes:
        rest_until_s: The source isn't asked before.
    """

    def __init__(self) -> None:
        self.rest_until_s = 0.0
        self._due_s = 0.0

    def rest(self, start_s: float, period_s: float, *, early_s: float = 0.0) -> None:
        """Plan the next frame.

        Args:
            start_s: When the frame that was served began.
            period_s: From one frame to the next; 0 takes every one.
            early_s: How much before its time a frame may come; 0 for frames that wait.
        """
        keeps_plan = early_s > 0 and start_s - self._due_s < period_s
        self._due_s = (self._due_s if keeps_plan else start_s) + period_s
        self.rest_until_s = self._due_s - min(early_s, period_s / 2)
