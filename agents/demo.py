"""The demo: answers by rule when no AI model is connected, and says so in every answer."""

import json
import re
from typing import Any

from agents.quoting import first_quote, last_quote
from agents.scripted import ScriptedTransport
from agents.wire import Call, Fault, Say

LABEL = "**Demo: no AI model is connected.** This answer was made by rule."
HELP = """I follow these rules and understand nothing else:

- `status` or `who`: the agents of this project and what they do
- `search <words>`: the messages that hold these words
- `recap`: the last messages of this thread
- `propose task <title>`: asks you for a decision; also `propose message <text>`, `propose doc <text>`, \
`propose job <name>`, `propose call <address>` and `propose file <path>`
- `story`: a long answer, to watch it arrive and to try Stop
- `ask @<key> <something>`: hands `<something>` to that agent; end it with `and so on` to let \
the two of us answer each other until the room stops us
- `fail`: an answer that breaks off, to see how a failure looks

Connect a model with `ANTHROPIC_API_KEY` or `ANTHROPIC_BASE_URL` for real answers."""
NOTHING_FITS = "Your message fits none of my rules. Write `help` to see them."
STORY = [
    "This is sentence {number} of {all}: it only shows how a long answer arrives.",
    "Press Stop at any time; what was written until then is kept.",
    "Another page that is open sees the same words at the same moment.",
]
STORY_SENTENCES = 36
SHOWN = 3_000
EXAMPLE_FAULT = Fault("error", after=12, error_type="invalid_request_error")

ASK = re.compile(r"\bask\s+@(?P<key>[\w-]+)[\s,:]*(?P<what>.*)", re.IGNORECASE | re.DOTALL)
ENDLESS = re.compile(r"\band so on\b", re.IGNORECASE)
SEARCH = re.compile(r"\bsearch(?:\s+for)?\s+(?P<words>[^\n]+)", re.IGNORECASE)
PROPOSE = re.compile(r"\bpropose\s+(?:an?\s+)?(?P<kind>\w+)[ \t:]*(?P<what>[^\n]*)", re.IGNORECASE)
PLANNING = "You make the plan of one task."
EXECUTING = "You carry out one approved plan."
RUNNING = "You run one skill of this project"
LOOKING = "A plan was carried out, and you look"
SEEN = "**As planned, with remarks.** The demo read the report, and can see nothing else."
TRIED = "The demo can follow no skill: this only shows how an answer looks. It is for this:\n\n> {purpose}"
NOTE = "mkdir -p notes && echo 'Written by the demo.' > notes/demo-plan.md && cat notes/demo-plan.md"
DONE = "1. I looked at what the task asks for.\n2. I wrote `notes/demo-plan.md` and read it again."
PLAN = """It only shows what a plan looks like.

## Look at what the task asks for

Read it, and write down what is not clear:

> {task}

## Write a note into the workspace

Make the file `notes/demo-plan.md` that says what was found. It is seen by reading the file.

To undo it, delete the file."""
WHY = f"{LABEL} You asked me to propose something, so that you can try how a decision is made."
OWN_KEY = re.compile(r"Your handle is @([\w-]+)")


class DemoTransport(ScriptedTransport):
    """A Messages API that answers by the rules of HELP, `delay` seconds a word."""

    def __init__(self, delay: float = 0.03) -> None:
        super().__init__(lambda body: answer(body, delay), record=False)


def answer(body: dict[str, Any], delay: float = 0.0) -> Say:
    """The step for one request: a tool call by rule, or labelled text."""
    last = body["messages"][-1]["content"]
    result = _tool_result(last)
    if PLANNING in str(body["system"]):
        return _say(_plan(last), delay)
    if EXECUTING in str(body["system"]):
        return (
            Say(calls=(Call("begin_step", {"number": 1}), Call("bash", {"command": NOTE})), delay=delay)
            if result is None
            else _say(DONE, delay)
        )
    if LOOKING in str(body["system"]):
        return _say(SEEN, delay)
    if RUNNING in str(body["system"]):
        return _say(_tried(last), delay)
    if result is not None:
        return _say(_told(result), delay)
    asked = addressed(last)
    if handed := ASK.search(asked):
        return _say(_hand_over(handed, body["system"]), delay)
    call = _call(asked, str(body["system"]), {tool["name"] for tool in body.get("tools", [])})
    if call:
        return Say(calls=(call,), delay=delay)
    if _has(asked, "fail"):
        return Say(f"{LABEL}\n\nThis answer breaks off here.", delay=delay, fault=EXAMPLE_FAULT)
    return _say(_text(asked), delay)


def addressed(content: Any) -> str:
    """The message that is to be answered: the last quote of a context pack, or all the text."""
    if not isinstance(content, str):
        content = "\n".join(block.get("text", "") for block in content)
    quoted = last_quote(content)
    return content if quoted is None else quoted


def _say(text: str, delay: float) -> Say:
    return Say(f"{LABEL}\n\n{text}", delay=delay)


def _has(text: str, *words: str) -> bool:
    return any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in words)


def _call(asked: str, system: str, tools: set[str]) -> Call | None:
    """The tool that a rule asks for, if this turn has it."""
    wanted = None
    if proposed := PROPOSE.search(asked):
        wanted = _proposed(proposed["kind"].lower(), " ".join(proposed["what"].split()), _own_key(system))
    elif found := SEARCH.search(asked):
        wanted = Call("search_messages", {"query": found["words"].strip()[:200]})
    elif _has(asked, "status", "who"):
        wanted = Call("agents_status")
    elif _has(asked, "recap"):
        wanted = Call("read_thread")
    return wanted if wanted and wanted.name in tools else None


def _proposed(kind: str, what: str, me: str) -> Call:
    """A small example of the action that was named; a task when none was."""
    examples: dict[str, tuple[str, dict[str, Any]]] = {
        "message": (
            "send_message",
            {"channel": "room", "recipient": "Team Room", "content": what or "Hello."},
        ),
        "doc": ("edit_doc", {"doc_type": "notes", "agent_key": me, "content": what}),
        "job": (
            "schedule_job",
            {
                "name": what[:80] or "Daily look",
                "schedule_kind": "every",
                "schedule_expr": "1d",
                "instructions": what or "Look around and report.",
                "target_agent_key": me,
            },
        ),
        "call": ("api_call", {"url": what or "https://example.org/", "method": "GET"}),
        "file": ("file_write", {"path": what or "notes/demo.txt", "content": "Written by the demo.\n"}),
    }
    title = what[:200] if kind == "task" else f"{kind} {what}".strip()[:200]
    task = {"title": title or "A task of the demo", "description": "", "assignee_agent_key": None}
    action_type, params = examples.get(kind, ("create_task", task))
    return Call(f"propose_{action_type}", params | {"why": WHY})


def _own_key(system: str) -> str:
    own = OWN_KEY.search(system)
    return own[1] if own else ""


def _plan(content: Any) -> str:
    """Two steps, whatever the task is."""
    found = first_quote(str(content)) or ""
    return PLAN.format(task=" ".join(found.split("\n", 1)[0].split())[:200])


def _tried(content: Any) -> str:
    """What the skill says it is for."""
    said = re.search(r"^description:[ \t]*(.+)$", first_quote(str(content)) or "", re.MULTILINE)
    return TRIED.format(purpose=" ".join(said[1].split())[:300] if said else "nothing")


def _text(asked: str) -> str:
    if _has(asked, "story"):
        return _story()
    return HELP if _has(asked, "help") else NOTHING_FITS


def _story() -> str:
    lines = (
        STORY[number % len(STORY)].format(number=number + 1, all=STORY_SENTENCES)
        for number in range(STORY_SENTENCES)
    )
    return " ".join(lines)


def _hand_over(handed: re.Match[str], system: Any) -> str:
    """The only answer that mentions another agent."""
    key, what = handed["key"], handed["what"].strip()
    own = _own_key(str(system))
    if own and ENDLESS.search(what):
        what = f"ask @{own} and so on"
    return f"@{key} {what}".strip()


def _tool_result(content: Any) -> str | None:
    if isinstance(content, str) or content[0].get("type") != "tool_result":
        return None
    return str(content[0]["content"])


def _told(result: str) -> str:
    """What a tool answered; without @, since nobody in it is meant to be called."""
    lines = (last_quote(result) or result).replace("@", "").splitlines()
    return "This is what my tool answered:\n\n" + "\n".join(_line(line) for line in lines)[:SHOWN]


def _line(line: str) -> str:
    """One line of a tool's answer as code, so that nothing in it is formatted."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = line
    if isinstance(fields, dict):
        values = (str(value) for value in fields.values() if value != "")
        line = " · ".join(values)
    return "    " + " ".join(line.split())
