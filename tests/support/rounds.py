"""How often `make chaos` repeats what kills and what tries orders; every other run does it once."""

import os

ROUNDS = int(os.environ.get("CHAOS", "1"))
"""`make chaos` has twenty."""
