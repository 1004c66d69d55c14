"""Modelled latency, and power where it can be, of boards that are not at hand.

kernels        what a graph asks of a GPU, kernel by kernel
peaks          a board's roofs in a power mode, from its file
architectures  kernels of models that others published figures of
published      those figures, with their sources (published.yaml)
model          the roofline: three parameters, fitted; its error on each published figure
power          watts, where anybody published some
profile        a family's profile, marked as modelled
"""
