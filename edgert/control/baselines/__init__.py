"""Controllers to be compared with: what others do, and what a run does without control."""
