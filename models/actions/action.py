"""What the six actions share: strict parameters, declared rules of risk, and the server's own words."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from models.hidden import hidden

LEVELS = ("low", "med", "high")


@dataclass(frozen=True)
class Rule:
    """A reason for a level of risk; `applies` looks at the parameters, and at nothing said about them."""

    level: str
    sentence: str
    applies: Callable[[Any], bool] = lambda params: True


class Params(BaseModel):
    """The parameters of one action: what is not declared is refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action_type: ClassVar[str]
    seed: ClassVar[tuple[str, ...]]
    """The names that the proposal's metadata says; the others are what carrying it out needs besides."""
    rules: ClassVar[tuple[Rule, ...]]
    reaches_out: ClassVar[bool] = False
    """Whether it may ask another server, so that `hindrance` depends on which are listed."""
    compared_by: ClassVar[str] = "proposal.read"
    """The right without which nobody is shown the diff."""

    @property
    def headline(self) -> str:
        """What is asked, in one line."""
        raise NotImplementedError

    @property
    def effect(self) -> str:
        """What will be different afterwards."""
        raise NotImplementedError

    @property
    def object_name(self) -> str:
        """What a person types to approve it when the risk is high."""
        raise NotImplementedError

    def resolve(self, project_id: UUID) -> Self:
        """The same with names bound to what they mean in the project; Invalid names what is not there."""
        return self

    def diff(self, project_id: UUID) -> list[str] | None:
        """What it changes in what is stored now, as lines of a unified diff; None where that says nothing."""
        return None

    def hindrance(self, servers: Collection[str]) -> str | None:
        """What would make it fail as things are, or None; `servers` are the origins that the project may ask.

        It tells the person who decides, and sets nothing: carrying it out asks again.
        """
        return None

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def as_seed(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include=set(self.seed))

    def floor(self) -> list[Rule]:
        """The rules that apply; the highest of their levels is the least risk there is."""
        found = [rule for rule in self.rules if rule.applies(self)]
        if marks := [mark for text in texts(self.as_json()) for mark in hidden(text)]:
            shown = ", ".join(dict.fromkeys(marks))
            found.append(Rule("high", f"Holds characters that cannot be seen: {shown}."))
        return found


def texts(value: Any) -> Iterator[str]:
    """Every text inside, names of keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def highest(levels: list[str]) -> str:
    return max(levels, key=LEVELS.index)
