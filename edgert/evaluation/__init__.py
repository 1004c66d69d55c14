"""Controllers held against made-up and recorded days, in virtual time, and against an oracle.

No device has a part in it: every figure from here is simulated.

family        the profiles that are simulated
scenarios     which limits hold and what the world does; the seeds that are reported
board         a board's true constants
slowdown      contention, frame by frame
day           all that happens, fixed before a controller runs
trace_day     days as traces, and recorded traces as days
heat          the emulator's thermal physics as one map per tick
sensing       how a controller gets to see the board
plant         the board, driven frame by frame
tally         what is counted meanwhile
outcome       one run in figures
variants      what a controller is told of the board
run           one controller through one day
results       the file of results
workers       processes that run days side by side
campaign      all controllers on all days, resumed
table, plots  results over seeds
targets       what is meant to be reached
"""
