"""What one answer is made from; apart from the loop, so that who only gives it away loads no provider."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Turn:
    """The prompt and the conversation. `model` is empty for the provider's default."""

    system: str
    messages: list[dict[str, Any]]
    model: str = ""
