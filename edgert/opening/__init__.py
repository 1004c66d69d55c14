"""Opens what a run needs, as the settings name it: the same for one run and for a daemon.

families    a family, its engines for this device, and what was measured of them
boards      an emulated board, with the profile's engines as its loads
thermal     how the board heats
telemetry   where power and heat are read
learned     what a controller learned before
shadow      runs that hold engines against the full one

Nothing here prints: what an operator should hear is returned in words.
"""
