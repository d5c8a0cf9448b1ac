"""The provider: which endpoint it speaks to, and what it sends there."""

import asyncio
from dataclasses import replace

import pytest

from agents.provider import Part, ProviderSettings, Request, provider_from
from agents.scripted import ScriptedTransport
from agents.wire import Call, Fault, Say

OFFICIAL = ProviderSettings(api_key="secret")
COMPATIBLE = ProviderSettings(api_key="secret", base_url="http://127.0.0.1:8399")
KEYLESS = ProviderSettings(base_url="http://127.0.0.1:8399")
DEMO = ProviderSettings()


def sent(settings, model="claude-opus-5-5"):
    """The body and the headers that one call sends."""
    transport = ScriptedTransport([Say("Hi.")])

    async def main():
        provider = provider_from(replace(settings, transport=transport))
        messages = [{"role": "user", "content": "hello"}]
        call = provider.call(Request(model, "Be brief.", messages, [], max_tokens=50))
        parts = [part async for part in call.parts()]
        assert parts == [Part("text", "Hi.")]
        await provider.aclose()

    asyncio.run(main())
    return transport.requests[0], transport.headers[0]


def test_without_a_key_and_an_address_it_is_the_demo():
    provider = provider_from(DEMO)

    assert provider.demo
    assert provider.label == "Demo (no AI model is connected)"
    assert provider.model_for("claude-opus-5-5") == "demo"


@pytest.mark.parametrize(("settings", "label"), [(OFFICIAL, "Anthropic"), (COMPATIBLE, "127.0.0.1:8399")])
def test_a_key_or_an_address_connects_a_model(settings, label):
    provider = provider_from(replace(settings, model_default="small"))

    assert not provider.demo
    assert provider.label == label
    assert provider.model_for("") == "small"
    assert provider.model_for("large") == "large"


def test_the_official_endpoint_gets_caching_and_thinking_but_no_second_key():
    body, headers = sent(OFFICIAL)

    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert headers["authorization"] == "Bearer secret"
    assert "x-api-key" not in headers


def test_a_model_that_may_not_know_thinking_is_not_asked_for_it():
    body, _ = sent(OFFICIAL, model="claude-haiku-5-5")

    assert "thinking" not in body


def test_a_compatible_endpoint_gets_plain_requests_and_both_key_headers():
    body, headers = sent(COMPATIBLE)

    assert body["system"] == "Be brief."
    assert "thinking" not in body
    assert headers["x-api-key"] == "secret"


def test_a_keyless_endpoint_never_gets_credentials_of_the_environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "somebody's")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "somebody's")
    _, headers = sent(KEYLESS)

    assert "somebody's" not in str(headers)
    assert "x-api-key" not in headers


def test_the_address_never_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")

    assert provider_from(OFFICIAL).official
    assert str(provider_from(OFFICIAL)._client.base_url).startswith("https://api.anthropic.com")


def test_what_the_assistant_said_goes_back_as_it_was(bench):
    call = Call("look", {"path": "a"})
    asked = bench.ask(Say("Let me look.", (call,)), Say("Seen."))

    text, tool = asked.requests[1]["messages"][1]["content"]
    assert text == {"type": "text", "text": "Let me look."}
    assert (tool["type"], tool["name"], tool["input"]) == ("tool_use", "look", {"path": "a"})


def test_text_that_no_database_takes_is_mended(bench):
    asked = bench.ask(Say("nul \0 and half \ud83d here"))

    assert asked.outcome.text == "nul  and half ? here" == asked.sink.shown


def test_a_stall_shorter_than_the_read_timeout_is_waited_for(bench):
    asked = bench.ask(Say("one two", fault=Fault("stall", after=3, seconds=0.02)))

    assert (asked.outcome.status, asked.outcome.text) == ("done", "one two")
