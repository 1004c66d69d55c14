"""A program in the place of the process that jetson-stats lives in; it follows a script.

Its arguments are a folder and the board's uptime file. The first start follows start-1.json
there, the second start-2.json, the last one again when there are no more. A step is {"say": line},
{"now": line} for a sample of this moment, {"text": anything}, {"wait": name of a file that has to
be there}, {"child": true} to leave a process behind, {"deaf": true} to go on when the parent is
gone, or {"hang": true}.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path


def end_with_parent() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def follow(folder: Path, uptime: Path) -> None:
    number = 1
    while (folder / f"started-{number}").exists():
        number += 1
    (folder / f"started-{number}").touch()
    while not (folder / f"start-{number}.json").exists() and number > 1:
        number -= 1
    steps = json.loads((folder / f"start-{number}.json").read_text())
    if {"deaf": True} not in steps:
        threading.Thread(target=end_with_parent, daemon=True).start()
    for step in steps:
        if "now" in step:
            step["now"]["sample"]["uptime_s"] = float(uptime.read_text().split()[0])
            print(json.dumps(step["now"]), flush=True)
        if "say" in step:
            print(json.dumps(step["say"]), flush=True)
        if "text" in step:
            print(step["text"], flush=True)
        if "child" in step:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (folder / "child").write_text(str(child.pid))
        while "wait" in step and not (folder / step["wait"]).exists():
            time.sleep(0.002)
        while "hang" in step:
            time.sleep(60)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), Path(sys.argv[2]))
    os._exit(1)
