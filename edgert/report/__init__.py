"""Runs and profiles for people to look at.

page, plots     a run as one HTML file: its text and tables, its curves
comparison      runs side by side, with comparison_plot; run_figures: a run in figures
html_page       what pages have in common; limit_line: limits that change
frontier        a search: cost against score
energy_plot     a profile: energy against accuracy
power_trace     the windows that its energies come from
latency_plot    how its latencies are spread
sustained_plot  what minutes of load do
style           how the plots of a profile look, and how they become files
"""

from edgert.report.page import write_report

__all__ = ["write_report"]
