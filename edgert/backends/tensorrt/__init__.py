"""TensorRT: engines built on the device, resident together, switched by one launch.

backend       the backend: what engines are for, building, loading
vendor        NVIDIA's module: import, messages, and what differs between its versions
network       an ONNX graph parsed, or the node that is refused
builder       a network compiled into a plan, with one timing cache for a family
progress      how far a build is, and the way to stop it
layers        what the inspector says of an engine's layers
plan_header   the version in a plan's first bytes, read without TensorRT
loading       a plan made an engine, after all that can be checked before
arena         the lane: stream, scratch memory, inputs and outputs that all sessions share
execution     one context on the lane: bound, run, captured, compared
session       an engine ready to run, by one launch
"""
