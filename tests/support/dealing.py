"""Who runs which tests at first: xdist gives each worker the next equal part of what was collected."""

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def dealt(items: Sequence[T], hands: int, key: Callable[[T], Hashable], long: Callable[[T], bool]) -> list[T]:
    """Each hand begins with long ones, a group (a file) of them after another, and ends with short ones.

    Towards the end those who are done take from the others: short ones leave nobody waiting for the last.
    """
    groups = [list(group) for _, group in groupby(filter(long, items), key)]
    short = [item for item in items if not long(item)]
    found: list[T] = []
    for hand in range(hands):
        # As xdist divides: those who come last get the rest.
        size = (len(items) - len(found)) // (hands - hand)
        begin = [item for group in groups[hand::hands] for item in group]
        rest, short = short[: max(0, size - len(begin))], short[max(0, size - len(begin)) :]
        found += begin + rest
    return found
