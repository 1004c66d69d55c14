"""What tools/soak.py runs against the real daemon, a module for each soak."""
