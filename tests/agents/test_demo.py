"""The demo says what it is, follows its rules and calls nobody by itself."""

import asyncio

import pytest

from agents.demo import LABEL, answer
from agents.loop import Turn, run
from agents.provider import ProviderSettings, provider_from
from agents.quoting import quote
from agents.tools import registry
from agents.usage import Budget

TOOLS = [{"name": name} for name in registry.for_job("chat").names()]


def asked(text, tools=TOOLS, before=""):
    """The demo's step for a message, in a request such as the context pack makes."""
    content = f"{quote(before, '#1')}\n\nThe message:\n\n{quote(text, '#2')}"
    system = "You are Ops. Your handle is @ops."
    messages = [{"role": "user", "content": content}]
    return answer({"system": system, "messages": messages, "tools": tools})


def told(result):
    content = [{"type": "tool_result", "tool_use_id": "t", "content": result}]
    return answer({"system": "", "messages": [{"role": "user", "content": content}]})


@pytest.mark.parametrize("text", ["help", "story", "ask @qa hi", "What is the weather?", "", "fail"])
def test_every_text_says_that_no_model_is_connected(text):
    assert asked(text).text.startswith(LABEL)
    assert told("x").text.startswith(LABEL)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("status, please", "agents_status", {}),
        ("Who is here?", "agents_status", {}),
        ("recap", "read_thread", {}),
        ("@ops search for disk full", "search_messages", {"query": "disk full"}),
    ],
)
def test_a_rule_calls_its_tool(text, name, arguments):
    (call,) = asked(text).calls

    assert (call.name, call.arguments) == (name, arguments)


@pytest.mark.parametrize("kind", ["task", "message", "doc", "job", "call", "file", "something"])
def test_a_proposal_that_was_asked_for_is_one_that_its_tool_takes(kind):
    (call,) = asked(f"@ops please propose a {kind}").calls

    arguments = registry.for_job("chat").tools[call.name].arguments.model_validate(call.arguments)
    assert LABEL in arguments.why


def test_a_proposal_says_what_was_asked():
    (call,) = asked("propose task Empty  the bin").calls

    assert call.name == "propose_create_task"
    assert call.arguments["title"] == "Empty the bin"


def test_a_tool_that_the_turn_lacks_is_not_called():
    assert asked("status", tools=[]).calls == ()


def test_only_the_addressed_message_counts():
    assert asked("hello", before="status").calls == ()


@pytest.mark.parametrize("text", ["help", "story", "@qa hello", "search", "What about @qa?", "fail"])
def test_it_calls_nobody_unless_it_was_asked_to(text):
    assert "@" not in asked(text).text.replace("@<key>", "")


def test_it_hands_over_when_asked():
    assert asked("@ops ask @qa for the status").text.endswith("\n\n@qa for the status")


def test_two_of_them_can_go_on_for_ever_so_that_the_breaker_can_be_seen():
    assert asked("ask @qa to test this and so on").text.endswith("\n\n@qa ask @ops and so on")


def test_what_a_tool_found_is_shown_as_text_that_calls_nobody():
    found = quote('{"number": 3, "author": "Priya (@priya, person)", "text": "**x** @qa"}', "search")

    assert told(found).text.endswith("    3 · Priya (priya, person) · **x** qa")


def test_it_speaks_through_the_real_client(bench):
    class Quiet:
        def text(self, delta): ...
        def status(self, kind, detail): ...
        def reset(self, offset): ...

    async def main():
        provider = provider_from(ProviderSettings(demo_delay=0.0))
        turn = Turn("", [{"role": "user", "content": "help"}], "claude-opus-5-5")
        outcome = await run(turn, provider=provider, tools=bench.tools(), budget=Budget(), sink=Quiet())
        await provider.aclose()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.status == "done"
    assert outcome.text.startswith(LABEL)
    assert outcome.usage["model"] == "demo"
    assert outcome.usage["micro_usd"] == 0
