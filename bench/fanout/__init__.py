"""(a) One change to many open pages, against a bare C server and Node's socket.io."""

import json
import subprocess
from functools import partial
from pathlib import Path

from bench import tools
from bench.measure import Effort, Figures, Goal, Outcome, Row, at_least, at_most, interleaved
from bench.servers import Server, Stage

FOLDER = Path(__file__).parent
BYTES = 500
BURST = 8
CLIENTS = (100, 500, 1000)
OURS, LIMIT, NODE = "Team Room", "C, one send each", "Node socket.io"

Subject = tuple[str, int, int]


def run(stage: Stage, effort: Effort) -> Outcome:
    clients = (20,) if effort.quick else CLIENTS
    servers = _servers(stage)
    load = tools.compiled("fanout/load")
    rows = []
    for count in clients:
        for outstanding in (1, BURST):
            subjects = {
                name: partial(_measure, load, server, count, outstanding, effort.seconds)
                for name, server in servers.items()
            }
            print(f"{count} clients, {outstanding} outstanding")
            found = interleaved(subjects, effort.rounds)
            rows += _rows(found, count, outstanding, goals=count == max(CLIENTS))
    return Outcome("(a) Fan-out of a change to every open page", rows, NOTES)


NOTES = [
    f"A change of {BYTES} bytes; one at a time means that the next is sent when the last client has the one "
    f"before, a burst that {BURST} are under way. A delivery is one change at one client, and the latency is "
    "the one of the last client.",
    "Ours is `wsgi.py` with an event added that sends to a room (`bench/fanout/server.py`); the C server "
    "sends a finished frame to each client, one `send` each, and does nothing else; Node's is socket.io "
    "4.8.4.",
]


def _servers(stage: Stage) -> dict[str, Server]:
    return {
        OURS: stage.variant(FOLDER / "server.py", stage.database("sqlite")),
        LIMIT: stage.server("limit", tools.compiled("fanout/limit")),
        NODE: stage.server("peer", tools.node(), FOLDER / "peer.mjs"),
    }


def _measure(load: Path, server: Server, clients: int, outstanding: int, seconds: float) -> Figures:
    options = {"-p": server.port, "-n": clients, "-w": outstanding, "-d": seconds, "-s": BYTES}
    words = [str(word) for option in options.items() for word in option]
    done = subprocess.run([load, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: fan-out failed at {server.process.name}: {done.stdout}{done.stderr}")
    told = json.loads(done.stdout)
    return {
        "deliveries/s": told["deliveries_per_s"],
        "p50 ms": told["last_p50_ms"],
        "p99 ms": told["last_p99_ms"],
    }


def _rows(found: dict[str, Figures], clients: int, outstanding: int, goals: bool) -> list[Row]:
    """The goals are promised at the most clients; the smaller rooms are there to see."""
    kind = "one at a time" if outstanding == 1 else f"bursts of {outstanding}"
    what = f"{clients:,} clients, {kind}"

    def row(key: str, other: str, goal: Goal | None) -> Row:
        return Row(f"{what}: {key}", found[OURS][key], found[other][key], other, goal if goals else None)

    if outstanding > 1:
        return [
            row("deliveries/s", NODE, at_least(3)),
            row("deliveries/s", LIMIT, None),
            row("p50 ms", NODE, None),
        ]
    return [
        row("deliveries/s", NODE, at_least(1.5)),
        row("deliveries/s", LIMIT, at_least(0.7)),
        row("p50 ms", NODE, at_most(0.75)),
        row("p50 ms", LIMIT, None),
        row("p99 ms", NODE, None),
    ]
