"""How a call of a model or a tool fails, each with one plain sentence."""

from typing import Literal


class AgentError(Exception):
    """Base of what ends a turn; its text is a sentence that a person can read."""


class ModelFailed(AgentError):
    """A model call failed; `transient` says whether the same call may be tried again.

    `retry_after` is the wait that the endpoint asked for, in seconds.
    """

    def __init__(
        self,
        sentence: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        kind: Literal["status", "connection", "stream"] = "status",
    ) -> None:
        super().__init__(sentence)
        self.transient = transient
        self.retry_after = retry_after
        self.kind = kind


class BudgetSpent(AgentError):
    """A limit of the turn was reached."""


class AnswerRefused(AgentError):
    """The model answered with something that is not an answer."""


class ToolFailed(AgentError):
    """A tool could not do its work; the model is shown the sentence."""
