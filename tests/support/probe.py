"""Says as JSON what its process finds itself to be, and ends with code 3."""

import ctypes
import json
import os
import random
import signal
import sys
from pathlib import Path

GET_PDEATHSIG = 2


def told_at_parents_end() -> int:
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(GET_PDEATHSIG, ctypes.byref(number))
    return number.value


def files() -> dict[str, str]:
    """What is open, but for the folder that is being listed."""
    found = {each.name: os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}
    return {number: path for number, path in found.items() if not path.startswith("/proc/")}


if __name__ == "__main__":
    said = {
        "words": sys.argv[1:],
        "path": sys.path,
        "environ": dict(os.environ),
        "folder": os.getcwd(),
        "parent": os.getppid(),
        "leads": os.getpid() == os.getsid(0) == os.getpgid(0),
        "files": files(),
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "told_at_parents_end": told_at_parents_end(),
    }
    json.dump({"is": said, "loaded": sorted(sys.modules), "chance": random.random()}, sys.stdout)
    sys.exit(3)
