"""Frames in, pictures out: where frames come from, what is drawn on them, where they go.

uri           which places frames can come from, and hiding credentials in what is shown
frame         one decoded picture with its place in the stream
decoder       what a decoder is: one opened connection
decode        files, network streams and cameras through PyAV
container     how PyAV opens each kind of address
damage        what is wrong with a video, in one line
gstreamer     the same through GStreamer, with the hardware's decoders; CSI cameras
pattern       a generated picture that moves, for runs without a camera
decoders      which of them opens an address, and why it is not the hardware
connection    one stream out of many connections: what is live is opened again, files are looped
backoff       the pauses between two attempts
reader        the thread that decodes ahead of the consumer: every frame, or the newest one
source        opens any address under one interface, and tells how it stands
overlay       labels, best label or boxes laid over the picture, and a legend
boxes         the form of boxes in a detector's output
palette       their colours
strip         the strip below: configuration, temperature, power, latency
sink          opens where pictures go
file_sink     an mp4, encoded in a thread of its own
mjpeg         the newest picture as JPEG, while somebody looks
mjpeg_server  motion JPEG over HTTP
results       what the model said, as JSON lines

PyAV and Pillow come with the extra `video`; a generated pattern needs neither.
"""
