"""Energy of one inference, with an interval that holds the truth as often as it says.

    with PowerMeter(open_source(), clock) as meter:
        figures = measure_energy({"full": run_full, "small": run_small}, meter, sensing)

plan          for how long, how often, what counts as steady
measure       the order of things: idle, warm-up, windows that take turns, idle
meter         dithered sampling and a watch over the board, in real or in virtual time
load          engine runs, back to back or at a frame rate
steady        when a board has warmed up
conditions    what a board was like during a window, and what of it makes the window unfit
journal       windows on a file as they end, so that a killed measurement goes on
integrate     samples to energy: trapezoids with interpolated ends, and what makes samples unfit
scatter       what samples and windows say of each other: the statistical part
sensor_bound  what the sensor may be off by, however long it is read
student       Student's t, and intervals of sums of unlike errors
estimate      windows to energy per inference with its interval, total and above idle
compare       paired windows to the ratio of two engines
sensing       which sensors a figure comes from
figure        figures that carry all they depend on

How honest the intervals are, is measured: tools/benchmark.py energy.

Source:
    The parts of the method are others': interpolated ends as in perun, synchronised stamps as in
    Zeus, interleaving against drift, windows after warm-up as in MLPerf Power. Differs: sampling
    at random instants, an interval that joins scatter, windows and the sensor's bound, and
    rejected windows with their reasons.
"""

from edgert.profiling.energy.measure import measure_energy
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.sensing import Sensing, sensing_of

__all__ = ["Plan", "PowerMeter", "Sensing", "measure_energy", "sensing_of"]
