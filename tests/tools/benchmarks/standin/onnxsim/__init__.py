"""Stands in for onnxsim where that is not installed: everything that a peer's row can end in."""

__version__ = "stand-in"
