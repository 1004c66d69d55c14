"""Which configurations of a model are worth having: scored, timed, and the rest dropped.

choice, structure, space   what can be changed, and a choice's normal form
options, prepare, holdout, workspace   frames and labels, dealt out and on disk
trial, score, executor     one choice fitted and scored, in processes or on a cluster
latency, timer             what choices cost on this device
journal, budget, ledger    every result kept; a killed search goes on
predict                    what single edits say about several at once
sensitivities, greedy, evolution, uniform, final   the stages
frontier, result, write    what is worth having, and the family that it becomes
run                        the whole way
subnets                    another search: over the subnets of a once-for-all supernet
"""
