"""Who descends from a process, read from /proc."""

import contextlib
import os
from collections import defaultdict

_ENDED = ("Z", "X")


def descendants(of: int) -> list[int]:
    """The pids of all living processes below this one; of a subreaper, none can leave it."""
    children: dict[int, list[int]] = defaultdict(list)
    alive = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and (seen := _seen(name)):
            state, parent = seen
            children[parent].append(int(name))
            if state not in _ENDED:
                alive.add(int(name))
    found, waiting = [], [of]
    while waiting:
        below = children[waiting.pop()]
        waiting += below
        found += below
    return [pid for pid in found if pid in alive]


def tasks_of(user: int) -> int:
    """How many tasks the kernel counts for this user, which is what RLIMIT_NPROC is compared with."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _seen(pid: str) -> tuple[str, int] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in brackets, may hold whatever its process likes.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return state.decode(), int(parent)
