"""How to write an address is compiled when one is written; most applications of tests write few."""

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

_compile = Rule._compile_builder


def compile_late() -> None:
    """Werkzeug compiles two functions per route at once: a third of what an application takes to make."""
    Rule._compile_builder = _compiled_late  # type: ignore[method-assign]


def _compiled_late(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    made: list[Callable[..., tuple[str, str]]] = []

    def build(self: Rule, **values: Any) -> tuple[str, str]:
        if not made:
            made.append(_compile(rule, append_unknown))
        return made[0](self, **values)

    return build
