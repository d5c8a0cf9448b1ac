"""The scripted endpoint over a real socket, asked by the real client."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import httpx2
import pytest

from agents.loop import Turn, run
from agents.provider import ProviderSettings, provider_from
from agents.quoting import quote
from agents.retry import Retry
from agents.scripted_server import ScriptedServer
from agents.usage import Budget
from tests.agents.bench import RecordingSink

RULES = {
    "rules": [
        {"when": "flaky", "times": 1, "status": 529},
        {"when": "flaky", "text": "It works again."},
        {"when": "look", "tool": "look", "input": {"path": "a"}, "then": "Seen."},
        {"when": "cut", "times": 1, "text": "one two three", "fault": {"kind": "drop", "after": 4}},
        {"when": "cut", "text": "Whole."},
        {"when": "both", "agent": "qa", "text": "I am {agent}."},
        {"when": "both", "text": "You said {message}."},
        {"when": "much", "words": 500, "delay": 0.001},
    ],
    "default": {"text": "Nothing fits."},
}


@asynccontextmanager
async def serving(script):
    server = ScriptedServer(script)
    async with await server.start():
        yield server


async def say(url, bench, text, agent="ops"):
    provider = provider_from(ProviderSettings(base_url=url, model_default="scripted"))
    system = f"Your handle is @{agent}."
    turn = Turn(system, [{"role": "user", "content": quote(text, "message")}])
    outcome = await run(
        turn,
        provider=provider,
        tools=bench.tools(),
        budget=Budget(),
        sink=RecordingSink(),
        retry=Retry(first=0.0),
    )
    await provider.aclose()
    return outcome


@pytest.mark.parametrize(
    ("text", "agent", "answer"),
    [
        ("hello", "ops", "Nothing fits."),
        ("It is FLAKY", "ops", "It works again."),
        ("look there", "ops", "Seen."),
        ("cut", "ops", "Whole."),
        ("both", "qa", "I am qa."),
        ("both", "ops", "You said both."),
    ],
)
def test_the_first_rule_that_fits_answers(bench, text, agent, answer):
    async def main():
        async with serving(RULES) as server:
            return await say(server.url, bench, text, agent)

    outcome = asyncio.run(main())
    assert (outcome.status, outcome.text) == ("done", answer)


def test_many_are_answered_at_once(bench):
    async def main():
        async with serving(RULES) as server:
            return await asyncio.gather(*(say(server.url, bench, "much") for _ in range(8)))

    assert [len(outcome.text.split()) for outcome in asyncio.run(main())] == [500] * 8


def test_a_test_can_read_the_requests_and_change_the_script(bench):
    async def main():
        async with serving(RULES) as server, httpx2.AsyncClient() as client:
            await say(server.url, bench, "hello")
            asked = (await client.get(f"{server.url}/_requests")).json()
            await client.put(f"{server.url}/_script", json={"default": {"text": "Anew."}})
            return asked, await say(server.url, bench, "hello")

    asked, outcome = asyncio.run(main())
    assert asked[0]["model"] == "scripted"
    assert outcome.text == "Anew."


def test_nonsense_ends_only_its_own_connection(bench):
    async def main():
        async with serving(RULES) as server:
            _, port = server.url.rsplit(":", 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(b"nonsense\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            return await say(server.url, bench, "hello")

    assert asyncio.run(main()).status == "done"


def test_it_starts_as_a_program_and_prints_its_address(bench, tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"default": {"text": "From a file."}}))

    async def main():
        command = ["-m", "agents.scripted_server", "--port", "0", "--script", str(script)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE
        )
        try:
            line = (await process.stdout.readline()).decode()
            return await say(line.split()[-1], bench, "hello")
        finally:
            process.terminate()
            await process.wait()

    assert asyncio.run(main()).text == "From a file."
