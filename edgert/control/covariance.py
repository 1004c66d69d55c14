"""The covariance of six estimates of which the first is read; by hand, for want of numpy."""

from collections.abc import Sequence

Matrix = list[list[float]]


def diagonal(deviations: Sequence[float]) -> Matrix:
    """Independent errors of these standard deviations."""
    size = range(len(deviations))
    return [[deviations[row] ** 2 if row == column else 0.0 for column in size] for row in size]


def carry(covariance: Matrix, die_row: list[float], sink_row: list[float]) -> None:
    """F P F^T in place, where F differs from one in its first two rows only."""
    first, second, third, fourth, fifth, sixth = covariance
    d0, d1, d2, d3 = die_row[:4]  # the die does not depend on the other two
    s0, s1, s2, s3, s4, s5 = sink_row
    die = [
        d0 * a + d1 * b + d2 * c + d3 * d
        for a, b, c, d in zip(first, second, third, fourth, strict=True)
    ]
    sink = [
        s0 * a + s1 * b + s2 * c + s3 * d + s4 * e + s5 * f
        for a, b, c, d, e, f in zip(first, second, third, fourth, fifth, sixth, strict=True)
    ]
    die_die = d0 * die[0] + d1 * die[1] + d2 * die[2] + d3 * die[3]
    die_sink = s0 * die[0] + s1 * die[1] + s2 * die[2] + s3 * die[3] + s4 * die[4] + s5 * die[5]
    sink_sink = (
        s0 * sink[0] + s1 * sink[1] + s2 * sink[2] + s3 * sink[3] + s4 * sink[4] + s5 * sink[5]
    )
    covariance[0], covariance[1] = die, sink
    for column in range(2, 6):
        covariance[column][0], covariance[column][1] = die[column], sink[column]
    die[0], sink[1] = die_die, sink_sink
    die[1] = sink[0] = die_sink


def learn(covariance: Matrix, total: float) -> None:
    """Kalman's update in place, for a reading of the first with `total` variance in all."""
    seen = covariance[0][:]
    for row, value in enumerate(seen):
        gain = value / total
        covariance[row] = [
            old - gain * other for old, other in zip(covariance[row], seen, strict=True)
        ]
