"""An emulated board: how power, heat and clock answer to the engines that ran.

`thermal` (two nodes, closed form) · `power` (what work draws) · `throttle` (the clock above the
trip point) · `spec` (the board's constants, from YAML) · `board` (all of it behind one telemetry
source). Every sample says "emulated"; no figure from here is a measurement.
"""
