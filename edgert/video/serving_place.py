"""Where this machine may serve pictures, and what to do where it can not."""

import ipaddress

ADVICE = "Choose a port from 1024 on that nothing listens at, at an address of this machine"


def is_address(host: str) -> bool:
    """Whether a host is written as an address, or localhost.

    A name would be looked up in the thread that serves frames, and a network without an answer
    takes many seconds to say so.
    """
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
