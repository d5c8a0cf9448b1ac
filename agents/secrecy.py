"""What a secret looks like in a file, and text without any: a finding is for everybody in the project."""

import re

SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?s:.*)"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b"),
    "a Slack token": re.compile(r"\bxox[abpors]-[A-Za-z0-9-]{10,}"),
    "a key of a model provider": re.compile(r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"),
    "a payment key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    "a Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
    "a token of Team Room": re.compile(r"\btrm_(?:agt|wrk|usr)_[A-Za-z0-9]{22}_[A-Za-z0-9]{43}_"),
}
ASSIGNED = re.compile(
    r"""(?ix)(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token)["']?\s*[:=]\s*
    (?P<quote>["'])(?P<value>[^"'\s]{8,})(?P=quote)"""
)
PLACEHOLDER = re.compile(r"(?i)example|change.?me|your|placeholder|dummy|xxx|\*\*\*|\.\.\.|…|^[<${%]|^test")


def secrets_in(line: str) -> list[str]:
    """What kinds there are in it, in words."""
    kinds = [kind for kind, pattern in SECRETS.items() if pattern.search(line)]
    if not kinds and (given := ASSIGNED.search(line)) and not PLACEHOLDER.search(given["value"]):
        kinds.append("a value that is called a secret")
    return kinds


def without_secrets(text: str) -> str:
    """The same, with `[secret]` in place of each; a private key is left out from its first line on."""
    for pattern in SECRETS.values():
        text = pattern.sub("[secret]", text)
    return ASSIGNED.sub(lambda given: given[0].replace(given["value"], "[secret]"), text)
