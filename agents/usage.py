"""What a turn may use and what it has used: turns, tokens, money and time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.errors import BudgetSpent


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


def price(input: float, output: float, cache_read: float | None = None) -> Price:
    """A price with the usual multipliers for the prompt cache (five minutes)."""
    return Price(input, output, input * 0.1 if cache_read is None else cache_read, input * 1.25)


PRICES: Mapping[str, Price] = {
    "claude-haiku-5-5": price(0.10, 0.50),
    "claude-sonnet-5-5": price(2, 10),
    "claude-opus-5-5": price(4, 20, cache_read=0.20),
    "claude-fable-5-1": price(10, 50),
    "demo": price(0, 0),
}


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call; `estimated` when its end was never seen."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False


@dataclass(frozen=True)
class Budget:
    """The limits of one turn. `usd` holds only for models whose price is known."""

    turns: int = 8
    output_tokens: int = 16_000
    usd: float | None = 0.50
    seconds: float = 3600.0
    answer_tokens: int = 8_000
    prices: Mapping[str, Price] = field(default_factory=lambda: PRICES)


@dataclass
class Meter:
    """Counts what a turn uses and stops it at its budget."""

    budget: Budget
    model: str
    turns: int = 0
    total: Usage = field(default_factory=Usage)

    def begin_turn(self) -> None:
        """Count one more model call. Raises BudgetSpent."""
        limit = self.budget
        if self.turns >= limit.turns:
            raise BudgetSpent(f"The limit of {limit.turns} turns was reached.")
        if limit.usd is not None and (self.usd or 0) >= limit.usd:
            raise BudgetSpent(f"The cost limit of ${limit.usd:.2f} was reached.")
        self.turns += 1

    def tokens_left(self) -> int:
        """How many tokens the next call may write. Raises BudgetSpent when none are left."""
        left = self.budget.output_tokens - self.total.output
        if left <= 0:
            raise BudgetSpent(f"The limit of {self.budget.output_tokens} written tokens was reached.")
        return min(left, self.budget.answer_tokens)

    def charge(self, used: Usage) -> None:
        """Add one call, also a failed or cancelled one: the provider bills it too."""
        total = self.total
        self.total = Usage(
            total.input + used.input,
            total.output + used.output,
            total.cache_read + used.cache_read,
            total.cache_write + used.cache_write,
            total.estimated or used.estimated,
        )

    @property
    def usd(self) -> float | None:
        """The cost so far; None when the price of the model is not known."""
        cost = self.budget.prices.get(self.model)
        if cost is None:
            return None
        used = self.total
        millionths = (
            used.input * cost.input
            + used.output * cost.output
            + used.cache_read * cost.cache_read
            + used.cache_write * cost.cache_write
        )
        return millionths / 1e6

    def as_dict(self) -> dict[str, Any]:
        """What is stored with the delivery. A cost is in millionths of a dollar, or null."""
        used = self.total
        return {
            "model": self.model,
            "turns": self.turns,
            "input": used.input,
            "output": used.output,
            "cache_read": used.cache_read,
            "cache_write": used.cache_write,
            "estimated": used.estimated,
            "micro_usd": None if self.usd is None else round(self.usd * 1e6),
        }
