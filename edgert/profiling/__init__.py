"""What each engine of a family costs and gives on this device.

latency    seconds a run, with warm-up and spread
accuracy   mean intersection over union, or top-1, on labelled frames; agreement without labels
dataset    pictures and label maps in a folder
labelled   labelled frames of either task, as profile, build and search read them
energy     energy per inference from power samples, with its interval
profile    all of it, for every engine of a set
journal    its finished parts on the disk, so that a killed one goes on
sustained  one engine for minutes: what heat does
thermal    how a board takes up heat: one step test, and two nodes fitted to it
scores     a score as a profile states it: its source, its interval
claims, savings, savings_table   what papers claim to save, held against it
roofline   latency and energy on a board that is not at hand
"""
