"""The daemon: streams served for as long as the machine is up, and a door to look and steer.

base        what HTTP, MQTT and the dashboard know of the service behind them
"""
