"""Who is here: people with a page that follows the project, in any web process."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

ANNOUNCE_SECONDS = 10
EXPIRES_SECONDS = 25
"""A process that said nothing for so long is gone, and its people with it."""

Say = Callable[[dict[str, Any]], None]


class Presence:
    """Counts this process's sockets, hears of the others', and tells what both come to.

    `tell` reaches our own pages, `publish` the other processes; both are called by `tick`, about
    once a second, so a page that reloads does not flicker.
    """

    def __init__(self, process: str, tell: Say, publish: Say, clock: Callable[[], float] = time.monotonic):
        self._process, self._tell, self._publish, self._clock = process, tell, publish, clock
        self._here: dict[str, Counter[str]] = defaultdict(Counter)
        self._elsewhere: dict[str, dict[str, tuple[float, frozenset[str]]]] = defaultdict(dict)
        self._told: dict[str, list[str]] = {}
        self._announced: dict[str, tuple[float, list[str]]] = {}

    def arrive(self, project_id: str, user_id: str) -> None:
        if not self._here[project_id][user_id]:
            # Between two ticks everybody may reload: the list is the same, but not what pages were told.
            self._told.pop(project_id, None)
        self._here[project_id][user_id] += 1

    def leave(self, project_id: str, user_id: str) -> None:
        here = self._here[project_id]
        here[user_id] -= 1
        if here[user_id] <= 0:
            del here[user_id]

    def heard(self, payload: dict[str, Any]) -> None:
        """What another process announced."""
        match payload:
            case {"process": str(process), "project_id": str(project_id), "online": list(online)}:
                people = frozenset(user_id for user_id in online if isinstance(user_id, str))
                self._elsewhere[project_id][process] = (self._clock(), people)

    def online(self, project_id: str) -> list[str]:
        """The ids of everybody here, in any process."""
        people = set(self._here.get(project_id, ()))
        latest = self._clock() - EXPIRES_SECONDS
        for at, others in self._elsewhere.get(project_id, {}).values():
            if at > latest:
                people |= others
        return sorted(people)

    def tick(self) -> None:
        for project_id in list(self._here):
            self._announce(project_id)
        for project_id in {*self._here, *self._elsewhere, *self._told}:
            online = self.online(project_id)
            if self._told.get(project_id, []) != online:
                self._told[project_id] = online
                self._tell({"project_id": project_id, "online": online})
        self._forget()

    def close(self) -> None:
        """This process ends: its people are gone."""
        self._here.clear()
        for project_id in self._announced:
            self._publish({"process": self._process, "project_id": project_id, "online": []})

    def _announce(self, project_id: str) -> None:
        here, now = sorted(self._here[project_id]), self._clock()
        at, announced = self._announced.get(project_id, (float("-inf"), []))
        if here != announced or (here and now - at >= ANNOUNCE_SECONDS):
            self._announced[project_id] = (now, here)
            self._publish({"process": self._process, "project_id": project_id, "online": here})

    def _forget(self) -> None:
        latest = self._clock() - EXPIRES_SECONDS
        for project_id, processes in list(self._elsewhere.items()):
            living = {name: said for name, said in processes.items() if said[0] > latest}
            if living:
                self._elsewhere[project_id] = living
            else:
                del self._elsewhere[project_id]
        self._here = defaultdict(Counter, {name: here for name, here in self._here.items() if here})
        self._told = {name: online for name, online in self._told.items() if online}
