"""The name under which this process holds runs."""

import os
import socket


def here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
