"""Pictures that somebody sends in: they wait in a short queue and get a result in words."""

import base64
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgert.errors import ServiceBusyError
from edgert.records import Family, PictureResult

MOST_WAITING = 8
BEST_SCORES = 5


class Request(NamedTuple):
    """A picture that waits for its turn."""

    image: NDArray[np.uint8]
    with_map: bool
    future: "Future[PictureResult]"
    since_s: float


class PictureRun(NamedTuple):
    """What engines made of a picture; logits are valid until the next run."""

    logits: NDArray[Any]
    configuration: str
    reason: str
    latency_s: float


class PictureQueue:
    """Pictures that wait. Not locked: its owner does that."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self.closed = ""  # why nothing is taken any more, in words

    def __len__(self) -> int:
        return len(self._requests)

    def add(
        self, image: NDArray[np.uint8], *, with_map: bool, since_s: float
    ) -> "Future[PictureResult]":
        """Take a picture in.

        Raises:
            ServiceBusyError: Enough wait already, or nothing is taken any more.
        """
        if self.closed:
            raise _ended(self.closed)
        if len(self._requests) >= MOST_WAITING:
            raise ServiceBusyError(
                "run a picture",
                expected=f"fewer than {MOST_WAITING} that wait",
                got=f"{len(self._requests)}",
                advice="Send it again in a moment",
            )
        request = Request(image, with_map, Future(), since_s)
        self._requests.append(request)
        return request.future

    def next(self) -> Request | None:
        """The oldest that is still wanted; its future can't be cancelled any more."""
        while self._requests:
            request = self._requests.popleft()
            if request.future.set_running_or_notify_cancel():
                return request
        return None

    def close(self, why: str) -> None:
        """Take nothing more, and tell those that wait."""
        self.closed = why
        while (request := self.next()) is not None:
            request.future.set_exception(_ended(why))


def picture_result(
    run: PictureRun, request: Request, *, family: Family | None, wait_s: float
) -> PictureResult:
    """What came of a picture.

    Args:
        run: Logits are (1, C, h, w) for segmentation, (1, C) for classification.
        request: The picture, and whether the label of every cell is to be sent as well.
        family: Whose labels and task it is; None: segmentation, labels by number.
        wait_s: From its arrival to its turn.
    """
    task = "segmentation" if family is None else family.task
    names = () if family is None else family.labels
    shape: list[int] = []
    text = ""
    if task == "segmentation":
        found = run.logits[0].argmax(axis=0)
        labels = _label_shares(found, names)
        if request.with_map:
            shape = [int(size) for size in found.shape]
            text = base64.b64encode(found.astype(np.uint8).tobytes()).decode()
    else:
        labels = _best_scores(run.logits.reshape(-1), names)
    height, width = request.image.shape[:2]
    return PictureResult(
        configuration=run.configuration,
        reason=run.reason,
        latency_s=run.latency_s,
        wait_s=wait_s,
        task=task,
        width=width,
        height=height,
        labels=labels,
        map_shape=shape,
        map_base64=text,
    )


def _label_shares(found: NDArray[Any], names: Sequence[str]) -> dict[str, float]:
    counts = np.bincount(found.reshape(-1))
    order = np.argsort(-counts, kind="stable")
    return {
        _named(int(label), names): float(counts[label] / found.size)
        for label in order
        if counts[label]
    }


def _best_scores(scores: NDArray[Any], names: Sequence[str]) -> dict[str, float]:
    exact = scores.astype(np.float64)
    odds = np.exp(exact - exact.max())
    odds /= odds.sum()
    best = np.argsort(-odds, kind="stable")[:BEST_SCORES]
    return {_named(int(label), names): min(float(odds[label]), 1.0) for label in best}


def _named(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else str(label)


def _ended(why: str) -> ServiceBusyError:
    return ServiceBusyError(
        "run a picture",
        expected="a service that goes on",
        got=why,
        advice="Send it again when it is back",
    )
