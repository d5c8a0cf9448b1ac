"""How a process that serves keeps its memory: what it loaded at its start is never collected again."""

import gc


def settle() -> None:
    """Once all is loaded: looking through it again and again would be the longest stalls of the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
