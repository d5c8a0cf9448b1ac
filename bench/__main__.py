"""`python -m bench [--quick] [NAME …]`: run the benchmarks, all of them or those named."""

import argparse
from importlib import import_module

from bench import report
from bench.measure import FULL, QUICK
from bench.servers import stage

BENCHMARKS = {
    "fanout": "a change to 100, 500 and 1,000 open pages, against C and Node",
    "posting": "posting a message, against the same without the database",
    "delivery": "from send to the other screens, and how long the web process ever stands still",
    "agents": "from a message to its agent's first words",
    "threads": "opening a thread of 1,000,000 messages",
    "firstload": "what a browser loads at first",
    "approvals": "from Approve until the effect has started",
    "cards": "opening a room in which 500 proposals wait",
    "tasks": "opening the tasks page of a project with 10,000 tasks",
    "taskthread": "opening a task's thread of 10,000 events, and 10,000 events and lines of a run",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="only show that it works; nothing is written")
    given = parser.parse_args()
    for name in given.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}")
    missed = [name for name in given.names or BENCHMARKS if not measure(name, given.quick)]
    if missed:
        print(f"goals missed: {', '.join(missed)}")


def measure(name: str, quick: bool) -> bool:
    """Run one; False when it missed a goal."""
    effort = QUICK if quick else FULL
    print(f"{name}: {BENCHMARKS[name]}", flush=True)
    with stage() as room:
        outcome = import_module(f"bench.{name}").run(room, effort)
    for row in outcome.rows:
        print(report.line(row.stored()), end="")
    if not quick:
        report.keep(name, outcome, effort.rounds)
    return all(row.reached is not False for row in outcome.rows)


if __name__ == "__main__":
    main()
