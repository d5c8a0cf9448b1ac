"""Who may do what: one table of rights, used by routes, events, streams and jobs."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

ROLES = ("viewer", "member", "operator", "owner")
Kind = Literal["person", "agent", "worker", "nobody"]

RIGHTS: dict[str, str] = {
    "project.read": "viewer",
    "message.read": "viewer",
    "dm.read": "viewer",
    "thread.mark_read": "viewer",
    "message.post": "member",
    "message.edit_own": "member",
    "message.attach": "member",
    "message.react": "member",
    "thread.type": "member",
    "delivery.retry": "member",
    "delivery.stop": "member",
    "thread.resume": "operator",
    "proposal.read": "viewer",
    "proposal.decide": "operator",
    "task.read": "viewer",
    "task.create": "member",
    "task.comment": "member",
    "task.report": "member",
    "task.plan": "operator",
    "audit.run": "operator",
    "output.read": "viewer",
    "doc.read": "viewer",
    "doc.edit": "operator",
    "skill.read": "viewer",
    "skill.check": "operator",
    "agent.provision": "operator",
    "agent.edit": "operator",
    "member.manage": "owner",
    "invite.manage": "owner",
    "token.manage": "owner",
    "labs.manage": "owner",
    "host.manage": "owner",
    "secret.manage": "owner",
    "project.manage": "owner",
    "admin.read": "owner",
}
"""Each right and the lowest role that has it."""

OPEN = "open"
SIGNED_IN = "signed_in"
"""Policies of routes that need no project: anybody, and any person with a session."""

TOKEN_RIGHTS: dict[str, frozenset[str]] = {
    "agent": frozenset(
        {"project.read", "message.read", "message.post", "doc.read", "task.read", "task.report"}
    ),
    "worker": frozenset({"project.read"}),
    "user": frozenset(
        {
            "project.read",
            "message.read",
            "message.post",
            "message.attach",
            "message.react",
            "thread.mark_read",
            "doc.read",
        }
    ),
}
"""The most that a token of each kind can be given, whatever its scopes say; conversations are for people."""


@dataclass(frozen=True)
class Principal:
    """Who asks: a person's session, or a token of a person, an agent or a worker."""

    kind: Kind
    id: UUID | None = None
    session_id: UUID | None = None
    token_id: UUID | None = None
    token_kind: str | None = None
    agent_key: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: dict[UUID, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A stable name for logs, limits and idempotency keys."""
        return f"token:{self.token_id}" if self.token_id else f"{self.kind}:{self.id}"

    def role_in(self, project_id: UUID) -> str | None:
        return self.roles.get(project_id)

    def may(self, right: str, project_id: UUID) -> bool:
        """Whether this principal has `right` in the project; an unknown right raises KeyError."""
        lowest = RIGHTS[right]
        role = self.roles.get(project_id)
        if role is None or ROLES.index(role) < ROLES.index(lowest):
            return False
        if self.token_kind is None:
            return True
        return right in TOKEN_RIGHTS[self.token_kind] and right in self.scopes


NOBODY = Principal(kind="nobody")


def known(policy: str) -> bool:
    return policy in RIGHTS or policy in (OPEN, SIGNED_IN)
