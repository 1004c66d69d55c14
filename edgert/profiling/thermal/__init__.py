"""How a board takes up heat: one step test, and two nodes fitted to it.

step       runs the test: idle, the dearest engine back to back, idle
checks     what cannot be fitted, and why
response   a board's heat as a linear system on an even grid of time
shapes     the same heat as two lags in parallel, and back
fit        which constants explain what was seen, and how well
constants  the result as a record, in words
"""
