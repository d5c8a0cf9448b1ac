"""What an agent asks for, before anybody has seen it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from models.actions import Params, assess, params_of
from models.canonical import canonical
from models.message import Draft
from models.text import clean

LONGEST_WHY = 4000


def key_of(work: UUID | None, action_type: str, params: Any) -> str:
    """The same wish of the same piece of work has one key: who asks again, after a loss, asks once."""
    said = {"work": str(work), "action_type": action_type, "params": params}
    return hashlib.sha256(canonical(said)).hexdigest()


@dataclass(frozen=True)
class Wish:
    """Checked and rendered already, so that the transaction is short."""

    params: Params
    draft: Draft
    raised: dict[str, str]

    @classmethod
    def of(
        cls,
        agent_key: str,
        action_type: object,
        params: object,
        why: object,
        client_id: str,
        risk_level: str | None = None,
    ) -> Wish:
        """Invalid names the field. A `client_id` is used once, so that asking twice asks once."""
        checked = params_of(action_type, params)
        raised = {agent_key: risk_level} if risk_level is not None else {}
        assess(checked, raised)
        reason = clean(why, "why", longest=LONGEST_WHY)
        kind = "task_proposal" if action_type == "create_task" else "action_proposal"
        draft = Draft.of(None, reason, client_id, agent_key=agent_key)
        return cls(checked, replace(draft, message_type=kind), raised)
