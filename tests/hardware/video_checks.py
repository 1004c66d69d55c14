"""What is to be seen of video on a real Jetson, as functions: a rehearsal calls them on elements
that every machine has, so that they are known to work and known to fail.

Each returns figures for the report; what must hold raises AssertionError.
"""

import os
import resource
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np

MOST_DIFFERENCE = 6.0  # of 255: NVIDIA's converter rounds, and spreads colour, in its own way
MOST_KEPT_BYTES = 24 << 20


def _difference(one, other) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def against_software(open_one, open_other, *, stride=10):
    """All frames of both, one in `stride` compared; the frame after it must differ by more."""
    with closing(open_one()) as one, closing(open_other()) as other:
        name, reason = one.name, one.reason
        first = [p.image for p in one.pictures()]
        second = [p.image for p in other.pictures()]
        software = other.name
    assert len(first) == len(second), f"{len(first)} frames against {len(second)}"
    places = range(0, len(first) - 1, stride)
    same = [_difference(first[i], second[i]) for i in places]
    next_one = [_difference(first[i], second[i + 1]) for i in places]
    assert max(same) < MOST_DIFFERENCE, f"frames differ by up to {max(same):.1f} of 255"
    assert np.median(next_one) > np.median(same), "a wrong frame would not have been seen"
    return {
        "name": name,
        "reason": reason,
        "against": software,
        "frames": len(first),
        "difference_most": max(same),
        "difference_to_next_median": float(np.median(next_one)),
    }


def decode_rate(open_one):
    """Frames per second and what they cost the CPU, with everything that RGB needs."""
    with closing(open_one()) as decoder:
        pictures = decoder.pictures()
        next(pictures)
        begin_s, cpu_s = time.perf_counter(), _cpu_s()
        count = sum(1 for _ in pictures)
        passed_s = time.perf_counter() - begin_s
        assert count > 0
        return {
            "name": decoder.name,
            "frames": count,
            "frames_per_second": count / passed_s,
            "cpu_s_per_frame": (_cpu_s() - cpu_s) / count,
        }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory_over_openings(open_one, *, openings=50, most_bytes=MOST_KEPT_BYTES):
    """Memory and handles over openings, after the first ten."""
    before_bytes = before_handles = 0
    for number in range(openings):
        with closing(open_one()) as decoder:
            next(decoder.pictures())
        if number == min(10, openings - 2):
            before_bytes, before_handles = _resident_bytes(), _handles()
    kept = {
        "openings": openings,
        "kept_bytes": _resident_bytes() - before_bytes,
        "kept_handles": _handles() - before_handles,
    }
    assert kept["kept_bytes"] < most_bytes, f"{kept['kept_bytes'] >> 20} MiB were kept"
    assert kept["kept_handles"] <= 2, f"{kept['kept_handles']} handles were kept"
    return kept


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def served(open_sink, open_one, *, frames=60):
    """A grey picture written to a sink, as a client of it sees it."""
    ended = threading.Event()
    with closing(open_sink()) as sink:
        height, width = sink.size
        image = np.full((height, width, 3), 128, np.uint8)
        image[: height // 2] = (200, 60, 30)

        def feed():
            while not ended.wait(1 / 30):
                sink.write(image)

        thread = threading.Thread(target=feed)
        thread.start()
        try:
            with closing(open_one(sink.uri)) as decoder:
                pictures = decoder.pictures()
                seen = [next(pictures).image for _ in range(frames)][-1]
        finally:
            ended.set()
            thread.join()
        apart = _difference(seen[:height, :width], image)
        assert apart < MOST_DIFFERENCE, f"what is seen differs by {apart:.1f} of 255"
        return {"encoder": sink.encoder, "reason": sink.reason, "difference": apart}


def camera(decoder, *, frames):
    """A live source: its rate against what it announces, and that its pictures change."""
    with closing(decoder):
        pictures = decoder.pictures()
        first = next(pictures).image
        begin_s = time.perf_counter()
        last = first
        for _ in range(frames):
            last = next(pictures).image
        passed_s = time.perf_counter() - begin_s
    assert first.shape == (decoder.height, decoder.width, 3)
    assert _difference(first, last) > 0, "the picture stands still"
    found = {"name": decoder.name, "frames_per_second": frames / passed_s, "fps": decoder.fps}
    assert found["frames_per_second"] > 0.8 * decoder.fps, found
    return found
