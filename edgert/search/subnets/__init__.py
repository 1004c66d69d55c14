"""Which subnets of a once-for-all supernet are worth having: d, e, w and the image size.

supernet             a family that was made from a supernet, and the graphs of its subnets
options, pictures    what is asked, and pictures dealt out
genes, evolve        subnets as whole numbers, and NSGA-II over these
predictor, scoring   how good one is: by the published predictor, or on pictures
timing, latency_model   what some cost on this device, and what the others will
ledger               every result kept; a killed search goes on
frontier_search      time some, model the others, breed, time what looks best
finish, selection, run   made ready, what holds with its last numbers, the whole way
result, table, write   what was found, as a table, and as a family
"""
