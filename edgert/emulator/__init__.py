"""An emulated board: how power, heat and clock answer to the engines that ran.

Physics, in real or virtual time:
thermal       die and heat sink, in closed form
power         what work draws
throttle      the clock above the trip point
rails         which rail carries how much of the draw
ina3221       how the power sensor looks at a rail
bookings      work that waits to be lived through
history       the last minutes to the microsecond: true energy, and what a sensor showed
sensors       means, noise and steps
spec          a board's constants, from YAML
board         all of it behind one telemetry source
runs          lists of engine runs with exact times
trace         the power of such a list, at once, with its true energy

The same board as files that real readers read:
layout        which files a kind of board has, from layouts/*.yaml
tree          writes them and keeps them fresh; over tree_static, tree_values and tree_files
faults        what can go wrong, on demand
feed          runs that other processes tell of
namespace     programs that see the board as their machine; with machine_shim.c and nvpmodel.sh

Every sample says "emulated"; no figure from here is a measurement.
"""
