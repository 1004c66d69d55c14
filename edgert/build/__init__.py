"""From a family to a set of verified engines.

derive    the edits of a configuration, by name, applied to a graph
verify    the parity gate: an engine against its graph run without optimisation
pack      one weights file for all engines of a set
compile   the whole way, written whole or not at all
"""
