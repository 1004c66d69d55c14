"""The smallest client of jetson-stats: a line of JSON for each of its callbacks.

Runs with the interpreter that has jetson-stats, inside the emulated board. Argument: the
interval in seconds. A failure is a last line {"error": its class, "words": its text}.
"""

import json
import sys
import threading


def state_of(jetson):
    total = dict(jetson.power["tot"])
    rails = {name: rail["power"] for name, rail in jetson.power["rail"].items()}
    if total.get("name"):
        rails[total["name"]] = total["power"]
    gpus = dict(jetson.gpu)
    gpu = next(iter(gpus.values()), {})
    return {
        "uptime_s": jetson.uptime.total_seconds(),
        "interval_s": jetson.interval,
        "rails_mw": rails,
        "total_mw": total["power"],
        "zones_c": {
            name: zone["temp"] if zone["online"] else None
            for name, zone in jetson.temperature.items()
        },
        "gpu_khz": gpu.get("freq", {}).get("cur"),
        "gpu_cap_khz": gpu.get("freq", {}).get("max"),
        "gpu_load_percent": gpu.get("status", {}).get("load"),
        "cpu_cap_khz": jetson.cpu["cpu"][0].get("freq", {}).get("max"),
        "power_mode": str(jetson.nvpmodel.name) if jetson.nvpmodel else None,
        "power_modes": list(jetson.nvpmodel.models) if jetson.nvpmodel else None,
        "fan_percent": [speed for fan in dict(jetson.fan).values() for speed in fan["speed"]],
        "memory_khz": jetson.memory["EMC"].get("cur") if "EMC" in jetson.memory else None,
        "hardware": dict(jetson.board["hardware"]),
    }


def main(interval_s):
    from jtop import jtop

    jetson = jtop(interval=interval_s)
    jetson.attach(lambda now: print(json.dumps(state_of(now)), flush=True))
    jetson.start()
    while jetson.ok(spin=True):
        threading.Event().wait(0.02)


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]))
    except BaseException as error:
        print(json.dumps({"error": type(error).__name__, "words": str(error)}), flush=True)
        raise
