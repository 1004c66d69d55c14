"""Graphs taken through NVIDIA's own parser and compiler, where there is no GPU.

TensorRT-RTX compiles ahead of time on a CPU. That shows that NVIDIA's code reads the graph, what
layers it makes of it and in which types; it shows nothing of TensorRT on a Jetson, nor of speed
or results.

report     what is found out about a graph
survey     a parsed network's layers and their types
worker     the process in which NVIDIA's code runs
compiler   that process, started, asked, and started again where it died
"""

from edgert.build.nvidia.compiler import NvidiaCompiler
from edgert.build.nvidia.report import Compilation, Refusal

__all__ = ["Compilation", "NvidiaCompiler", "Refusal"]
