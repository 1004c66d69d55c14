"""How tools/benchmark.py prune makes, checks and times the models that it holds side by side."""
