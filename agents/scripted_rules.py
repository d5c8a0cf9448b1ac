"""A script for a scripted endpoint: rules that look at the message which is to be answered."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agents.demo import OWN_KEY, addressed
from agents.wire import Call, Fail, Fault, Say, Step


@dataclass(frozen=True)
class Rule:
    """One rule; `when` empty fits every message, `times` limits how often it is used.

    `text` may hold {message} and {agent}; `words` makes a text of that many words. A rule with
    a `tool` calls it first and says `then` once the result is there. `status` refuses instead.
    """

    when: str = ""
    agent: str = ""
    times: int | None = None
    text: str = ""
    words: int = 0
    tool: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    then: str = "Done."
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    fault: dict[str, Any] | None = None
    delay: float | None = None
    first_delay: float | None = None
    stop: str | None = None
    usage: tuple[int, int] = (12, 7)


class Rules:
    """Answers requests by the first rule that fits; an object parsed from JSON makes one.

    {"delay": 0.01, "first_delay": 0, "rules": [{"when": "disk", "text": "It is full."}, …]}
    """

    def __init__(self, script: dict[str, Any]) -> None:
        self._delay = float(script.get("delay", 0.0))
        self._first_delay = float(script.get("first_delay", 0.0))
        default = Rule(**script.get("default", {"text": "A scripted answer."}))
        self._rules = [*(Rule(**rule) for rule in script.get("rules", [])), default]
        self._used: Counter[int] = Counter()

    def __call__(self, body: dict[str, Any]) -> Step:
        """The step for one request of the Messages API."""
        message = addressed(body["messages"][0]["content"])
        own = OWN_KEY.search(str(body.get("system", "")))
        agent = own[1] if own else ""
        after_tool = len(body["messages"]) > 1
        rule = self._fitting(message, agent, after_tool)
        return self._step(rule, {"message": message, "agent": agent}, after_tool)

    def _fitting(self, message: str, agent: str, after_tool: bool) -> Rule:
        for number, rule in enumerate(self._rules):
            if rule.when.lower() not in message.lower() or rule.agent not in ("", agent):
                continue
            if after_tool and rule.tool:
                return rule
            if rule.times is None or self._used[number] < rule.times:
                self._used[number] += 1
                return rule
        return Rule(status=400)

    def _step(self, rule: Rule, values: dict[str, str], after_tool: bool) -> Step:
        if rule.status:
            return Fail(rule.status, rule.headers)
        calls = (Call(rule.tool, rule.input),) if rule.tool and not after_tool else ()
        text = rule.then if rule.tool and after_tool else rule.text or _filler(rule.words)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return Say(
            text=text,
            calls=calls,
            usage=(rule.usage[0], rule.usage[1]),
            delay=self._delay if rule.delay is None else rule.delay,
            first_delay=self._first_delay if rule.first_delay is None else rule.first_delay,
            stop=rule.stop,
            fault=Fault(**rule.fault) if rule.fault else None,
        )


def _filler(words: int) -> str:
    return " ".join(f"word{number}" for number in range(1, words + 1))
