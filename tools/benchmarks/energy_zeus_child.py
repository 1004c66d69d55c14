"""Run by the Python that has Zeus, inside an emulated board: its windows, one JSON line each.

    python tools/benchmarks/energy_zeus_child.py SECONDS SEED

Nothing of Zeus is changed. A window is what its user sees: from when begin_window has returned to
when end_window is called, on the monotonic clock.
"""

import json
import random
import sys
import time
from dataclasses import asdict
from importlib import metadata

from zeus.device.soc.jetson import Jetson

# Lengths in seconds and how many of each are taken in a round.
_ROUND = [0.05] * 8 + [0.2] * 6 + [1.0] * 3 + [5.0]


def main(seconds: float, seed: int) -> None:
    """Take windows at random moments until the time is up."""
    order = random.Random(seed)
    jetson = Jetson()
    jetson.get_total_energy_consumption()  # its process is up
    print(json.dumps({"zeus": metadata.version("zeus")}), flush=True)
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        for length_s in order.sample(_ROUND, len(_ROUND)):
            time.sleep(order.uniform(0.0, 0.15))
            jetson.begin_window("window")
            from_s = time.perf_counter()
            time.sleep(length_s)
            to_s = time.perf_counter()
            energy = asdict(jetson.end_window("window"))
            line = {"length_s": length_s, "from_s": from_s, "to_s": to_s, "energy": energy}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
