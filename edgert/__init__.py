"""edgert: one vision model as a family of engines, switched between video frames.

The workshop half (`surgery`, `families`, `build`, `profiling`) turns a model into a family of
engines and measures them; the device half (`pool`, `control`, `video`, `runtime`) runs them.
Nothing is imported here, so that `import edgert` stays light.
"""

__version__ = "0.1.0"
