"""A run as one HTML file: `page` is its text and tables, `plots` its curves."""

from edgert.report.page import write_report

__all__ = ["write_report"]
