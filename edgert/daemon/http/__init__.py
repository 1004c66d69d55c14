"""The daemon over HTTP: `make_app` is what is served, `HttpServer` serves it.

app            routes, errors, the guard in front; endpoints: the table; openapi: its document
looks          health, metrics, status, limits, reload, login
event_stream   events as they come; live_pictures: a stream's pictures; infer: a picture sent in
pages          the dashboard's files
guard          token, cookie, Host and Origin; bounds: bytes, time and places for a client
server         uvicorn in a thread; protocol: patience with one connection; listeners: sockets
answers        JSON, errors in one line, answers without an end; context: what all share
"""

from edgert.daemon.http.app import HttpApp, make_app
from edgert.daemon.http.server import HttpServer

__all__ = ["HttpApp", "HttpServer", "make_app"]
