"""What each engine of a family costs and gives on this device.

latency    seconds a run, with warm-up and spread
accuracy   mean intersection over union on labelled frames; agreement without labels
dataset    labelled frames in a folder
profile    all of it, for every engine of a set
"""
