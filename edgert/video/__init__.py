"""Frames in, pictures out: where frames come from, what is drawn on them, where they go.

uri         which places frames can come from, and hiding credentials in what is shown
frame       one decoded picture
pattern     a generated picture that moves, for runs without a camera
container   how each kind of address is opened
damage      what is wrong with a video, in one line
decode      files, network streams and cameras through PyAV
reader      the thread that decodes ahead of the consumer: every frame, or the newest one
source      opens any of these under one interface
overlay     labels laid over the picture, and a legend
palette     their colours
strip       the strip below: configuration, temperature, power, latency
sink        encodes pictures to an mp4 in a thread of its own

PyAV and Pillow come with the extra `video`; a generated pattern needs neither.
"""
