"""An order: what an approval of a plan says, and all that is carried out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from models.canonical import canonical, digest_of, parse
from models.plan import Plan
from models.text import told
from models.times import iso

KIND = "execution"
"""What its digest is of."""
POST_OP = "oasis-op"
"""The skill that looks after an execution, when who approves it wants so."""
LONGEST_DRIFT = 8000


class Order(NamedTuple):
    canonical: bytes
    digest: str

    @classmethod
    def of(cls, plan: Plan, at: datetime | None = None, post_op: str | None = None) -> Self:
        """`at` is when; `post_op` the revision of the skill that looks afterwards, None where nobody does."""
        data = canonical(
            {
                "v": 2,
                "plan": plan.said,
                "plan_digest": plan.digest,
                "scheduled_time": iso(at),
                "post_op": {"skill": POST_OP, "revision": post_op} if post_op is not None else None,
            }
        )
        return cls(data, digest_of(KIND, data))

    def why_not(self, approved: bytes) -> str:
        """What of this is not what was approved."""
        here, said = parse(self.canonical), parse(approved)
        if here["plan_digest"] != said["plan_digest"]:
            return "the plan here is not the one that was approved"
        if here["scheduled_time"] != said.get("scheduled_time"):
            return "the time here is not the one that was approved"
        if (here["post_op"] is None) != (said.get("post_op") is None):
            return f"what follows it is not what was approved: /{POST_OP}"
        if here["post_op"] != said.get("post_op"):
            return f"the skill {POST_OP} is not the one that was approved"
        return "the order here is not the one that was approved"

    def drift(self, approved: bytes) -> str:
        """The lines in which this differs from what was approved; empty where none does."""
        lines = _words(parse(approved)), _words(parse(self.canonical))
        return told(
            "\n".join(difflib.unified_diff(*lines, "approved", "here", n=1, lineterm="")), LONGEST_DRIFT
        )


def _words(order: Mapping[str, Any]) -> list[str]:
    """Line by line, as people read it."""
    plan, follows = order["plan"], order.get("post_op")
    after = f"/{follows['skill']}, revision {follows['revision'][:12]}" if follows else "nothing"
    budget = ", ".join(f"{name} {most}" for name, most in sorted(plan["budget"].items()))
    return [
        plan["title"],
        *plan["text"].split("\n"),
        f"Carried out by: {plan['agent_key']}",
        f"When: {order.get('scheduled_time') or 'at once'}",
        f"Afterwards: {after}",
        f"Budget: {budget}",
    ]
