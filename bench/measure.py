"""Rounds that take turns, medians of them, and what a goal makes of the outcome."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Figures = dict[str, float]
ROUNDS = 3


@dataclass(frozen=True)
class Effort:
    """How long to measure; the quick one only shows that a benchmark works."""

    rounds: int = ROUNDS
    seconds: float = 4.0
    quick: bool = False

    @property
    def databases(self) -> dict[str, str]:
        """The kinds to measure on, with their names; a quick run leaves one out."""
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        return dict([*names.items()][:1]) if self.quick else names

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.quick else full


FULL = Effort()
QUICK = Effort(rounds=1, seconds=0.4, quick=True)


def interleaved(
    subjects: Mapping[str, Callable[[], Figures]], rounds: int, say: Callable[[str], None] = print
) -> dict[str, Figures]:
    """Measure each subject once a round and answer the medians.

    Every round begins with another subject, so that none always profits from what ran before it.
    """
    names = list(subjects)
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            figures = subjects[name]()
            found[name].append(figures)
            say(f"  round {number + 1}, {name}: {in_words(figures)}")
    return {name: medians(samples) for name, samples in found.items()}


def medians(samples: Sequence[Figures]) -> Figures:
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(round(share * len(ordered), 6)) - 1)]


def in_words(figures: Figures) -> str:
    return ", ".join(f"{key} {short(value)}" for key, value in figures.items())


def short(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class Goal:
    """A bound on a figure, or on its ratio to another one."""

    bound: float
    most: bool = False
    ratio: bool = True

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        sign = "≤" if self.most else "≥"
        return f"{sign} {short(self.bound)}{' ×' if self.ratio else ''}"


def at_least(bound: float, ratio: bool = True) -> Goal:
    return Goal(bound, ratio=ratio)


def at_most(bound: float, ratio: bool = True) -> Goal:
    return Goal(bound, most=True, ratio=ratio)


@dataclass(frozen=True)
class Row:
    """One line of a table: our figure, whom it is compared with, and the goal if there is one."""

    what: str
    ours: float
    other: float | None = None
    against: str = ""
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.other if self.other else None

    @property
    def reached(self) -> bool | None:
        """None when nothing was promised."""
        if self.goal is None:
            return None
        judged = self.ratio if self.goal.ratio else self.ours
        return judged is not None and self.goal.reached(judged)

    def stored(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "reached": self.reached, "goal": str(self.goal or "")}


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found: the rows, and in sentences what a reader must know about them."""

    title: str
    rows: list[Row]
    notes: list[str]
