"""The network that tools/train_supernet.py trains: data, forward pass, recipe."""
