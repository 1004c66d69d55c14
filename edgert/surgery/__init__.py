"""Edits of ONNX graphs that know no model: one file per edit, each a pure function."""
