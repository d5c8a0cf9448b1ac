"""Audits: rules that collect facts by themselves, and what an agent makes of them."""

from agents.audits import ops_check, qa_audit, security_audit
from agents.audits.rule import Place, Rule, look_at

RULES: dict[str, tuple[Rule, ...]] = {
    "ops-check": ops_check.RULES,
    "qa-audit": qa_audit.RULES,
    "security-audit": security_audit.RULES,
}
"""By the key of the skill; its SKILL.md names the module."""

__all__ = ["RULES", "Place", "Rule", "look_at"]
