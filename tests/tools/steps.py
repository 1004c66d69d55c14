"""Steps for the tests of own_process: each ends in another way."""

import os
import sys
import threading

import numpy as np

from edgert.errors import BuildError


def add(folder, *, a, b):
    print("what a step prints goes nowhere")
    return {"sum": a + b, "folder": folder.name}


def take_memory(folder, *, mebibytes):
    return {"filled": float(np.ones(mebibytes << 17).sum())}


def refuse(folder):
    raise BuildError("build it", expected="bricks", got="none", advice="Bring some")


def fail(folder):
    raise RuntimeError("out of\nluck")


def crash(folder):
    sys.stderr.write("about to crash\n")
    sys.stderr.flush()
    os.abort()


def hang(folder):
    threading.Event().wait()
