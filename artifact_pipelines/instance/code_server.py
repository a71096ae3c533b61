"""Says whether the code server that a sensor runs in is about to end.

One idea: a code server that is to end, because of Ctrl-C or because its code was loaded anew, waits for its calls, and
a tick of a sensor is one. It ends two threads of its own first, and a tick can see that.
"""

import threading

THREADS = ("grpc-server-heartbeat", "grpc-server-cleanup")
"""Names that Dagster gives to these threads."""


class CodeServer:
    """The code server of this process, if it is one."""

    def __init__(self) -> None:
        self._threads = [each for each in threading.enumerate() if each.name in THREADS]

    def is_ending(self) -> bool:
        """True if the server waits for its calls, and then ends."""
        return not all(each.is_alive() for each in self._threads)
