"""Named errors of the domain; webapp/errors.py maps each to one answer."""

from typing import Any
from uuid import UUID


class DomainError(Exception):
    """A refusal that the person or program can understand; `fields` names what was wrong where."""

    code = "refused"

    def __init__(self, message: str, *, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}


class Invalid(DomainError):
    """A value breaks a rule."""

    code = "invalid"


class TooLarge(DomainError):
    """More bytes than are taken."""

    code = "too_large"


class Conflict(DomainError):
    """Somebody was first, or the same key came with another content; `row` is what stands now."""

    code = "conflict"

    def __init__(self, message: str, *, row: Any = None, fields: dict[str, list[str]] | None = None):
        super().__init__(message, fields=fields)
        self.row = row


class Decided(Conflict):
    """A person has decided already; the message says who and when."""

    code = "decided"


class Changed(Conflict):
    """What was looked at no longer stands; the message says why."""

    code = "changed"


class NotFound(DomainError):
    """Missing or not yours: the two must look the same."""

    code = "not_found"

    def __init__(self, message: str = "not found") -> None:
        super().__init__(message)


class NotYours(NotFound):
    """It may be there, but is not for you to see: answered as missing, but audited.

    `project`, by id or key, is the one that was asked for.
    """

    def __init__(self, project: UUID | str | None = None) -> None:
        super().__init__()
        self.project = project


class Forbidden(DomainError):
    """You may see it, but your role may not do this; `project` is where."""

    code = "forbidden"

    def __init__(self, message: str, *, project: UUID | str | None = None) -> None:
        super().__init__(message)
        self.project = project


class ReauthenticationNeeded(Forbidden):
    """It needs a sign-in of the last minutes: a stolen or forgotten browser must not be enough."""

    code = "reauthenticate"


class SignInNeeded(DomainError):
    code = "sign_in"

    def __init__(self, message: str = "sign in first") -> None:
        super().__init__(message)


class TooMany(DomainError):
    """A limit on how often; `retry_after` in seconds."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Busy(DomainError):
    """The database could not be had in time (503)."""

    code = "busy"


class DiskFull(DomainError):
    """There is no room for it (507)."""

    code = "disk_full"


class ExecutorOffline(DomainError):
    """The executor is needed now and is not there (503)."""

    code = "executor_offline"
