"""A call that must end: what hangs fails the test instead of holding it up."""

import threading


def in_time(call, limit_s=20.0):
    """What `call` returns or raises, in a thread that is given `limit_s` to end."""
    results, errors = [], []

    def run():
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - thread boundary: raised below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    assert not thread.is_alive(), f"no end after {limit_s} s"
    if errors:
        raise errors[0]
    return results[0]
