"""The only door through which the server asks another server: listed ones, at addresses that are public."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import httpcore2
from flask import Flask

from models.actions.url import Address, address_of
from models.hidden import made_visible

CONNECT_SECONDS = 10.0
HEADERS = 64 << 10
"""Bytes that may come before the answer's body begins."""
LARGEST = 1 << 20
"""Bytes of the body, with all that frames it, after which no more is read."""
TRIED = 3
"""Addresses of one name that are tried, one after the other."""
_PIECE = 16 << 10

_FAILED = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError)

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int, float], Sequence[str]]

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments; one cloud keeps its metadata there
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16/32",  # the platform behind the virtual machines of one cloud
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",
        ),
    )
)
"""What Python (3.11) calls global, and is not; IPv6 outside of 2000::/3 is refused as a whole."""


def is_public(address: Ip) -> bool:
    """Whether anybody on the internet is meant to be reached there (IANA's special-purpose registries)."""
    if address.version == 6 and address not in _UNICAST:
        return False  # mapped, translated (NAT64) and local ones too, whatever they hold
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True)
class Request:
    """One request; what it carries is not shown when it is printed, since secrets may be among it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    seconds: float = 30.0
    """For everything: finding the server, asking it and reading its answer."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(repr=False)
    """By lower-case names; of several the first."""
    body: bytes = field(repr=False)
    whole: bool
    """False when the body was too long, or broke off."""


class NotSent(Exception):
    """Nothing of the request left: it was refused, or the server could not be reached."""


class Unanswered(Exception):
    """The request left, at least in part, and no answer came."""


class Egress:
    """Asks servers. Tests give their own `resolve`, `public` and `tls`; nothing else about it can be turned.

    `internal` holds each `host:port` for which the operator allows any address.
    """

    def __init__(
        self,
        internal: Collection[str] = (),
        *,
        resolve: Resolve | None = None,
        public: Callable[[Ip], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._internal = frozenset(internal)
        self._resolve = resolve or look_up
        self._public = public
        self._tls = tls

    @classmethod
    def of(cls, app: Flask) -> Egress:
        """The application's, as its settings say."""
        egress: Egress = app.extensions.setdefault("egress", cls(app.config["EGRESS_INTERNAL"]))
        return egress

    def ask(self, request: Request, allowed: Collection[str]) -> Answer:
        """Send it once to one of the `allowed` origins, and read the answer; redirects are not followed.

        Raises NotSent or Unanswered.
        """
        try:
            address = address_of(request.url)
        except ValueError as error:
            raise NotSent(f"the address {error}") from None
        if address.origin not in allowed:
            raise NotSent(f"{address.origin} is not on the list of servers that this project may ask")
        line = _Line(self, request.seconds)
        try:
            return self._exchange(address, request, line)
        except _FAILED as error:
            why = _words(error)
            raise (Unanswered(why) if line.sent else NotSent(why)) from None

    def _exchange(self, address: Address, request: Request, line: _Line) -> Answer:
        scheme, host, port, target = address
        url = httpcore2.URL(scheme=scheme.encode(), host=host.encode(), port=port, target=target.encode())
        # Not compressed: what is counted is what is kept, and nothing small becomes large here.
        headers = [("Accept-Encoding", "identity"), ("Connection", "close"), *request.headers.items()]
        if "user-agent" not in map(str.lower, request.headers):
            headers.append(("User-Agent", "Team-Room"))
        pool = httpcore2.ConnectionPool(
            ssl_context=self._tls or httpcore2.default_ssl_context(),
            max_connections=1,
            http2=False,
            retries=0,
            network_backend=line,
        )
        with pool, pool.stream(request.method, url, headers=headers, content=request.body) as response:
            return _read(response, line)

    def checked(self, host: str, port: int, seconds: float) -> list[str]:
        """The addresses of a host, when every one of them may be asked; NotSent else."""
        found = list(dict.fromkeys(self._resolve(host, port, seconds)))
        if not found:
            raise NotSent(f"{host} has no address")
        if f"{host}:{port}" not in self._internal:
            for text in found:
                if not self._public(ipaddress.ip_address(text)):
                    raise NotSent(f"{host} leads to {text}, which is not a public address")
        return found


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """What the system knows of a name; NotSent when there is nothing in time."""
    answer: SimpleQueue[list[Any] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.put(error)

    # The system's resolver knows no limit of ours; nothing waits for this thread.
    threading.Thread(target=ask, name=f"look up {host}", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except Empty:
        raise NotSent(f"{host} was not found in time") from None
    if isinstance(found, OSError):
        raise NotSent(f"{host} was not found: {found.strerror}")
    return [str(each[4][0]) for each in found]


class _Line(httpcore2.NetworkBackend):
    """Connects once, to the very address that was checked; keeps count of time and bytes."""

    def __init__(self, egress: Egress, seconds: float) -> None:
        self._egress = egress
        self._deadline = time.monotonic() + seconds
        self._tcp = httpcore2.SyncBackend()
        self.allowance = HEADERS
        self.sent = False

    def left(self) -> float:
        """Seconds until the deadline; a hundredth at least, since none would mean to wait for ever."""
        return max(self._deadline - time.monotonic(), 0.01)

    @property
    def over(self) -> bool:
        return time.monotonic() > self._deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._egress.checked(host, port, min(self.left(), CONNECT_SECONDS))
        failed: Exception = NotSent(f"{host} could not be reached")
        for address in addresses[:TRIED]:
            try:
                # Numbers are not looked up again, so no second answer of a resolver counts.
                stream = self._tcp.connect_tcp(address, port, min(self.left(), CONNECT_SECONDS))
                return _Counted(stream, self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


class _Counted(httpcore2.NetworkStream):
    """A connection under the line's deadline and allowance, whatever its user says."""

    def __init__(self, stream: httpcore2.NetworkStream, line: _Line) -> None:
        self._stream, self._line = stream, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._line.over:
            raise httpcore2.ReadTimeout("it took too long")
        if self._line.allowance <= 0:
            raise httpcore2.ReadError("it answered too much")
        data = self._stream.read(min(max_bytes, self._line.allowance), self._line.left())
        self._line.allowance -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            if self._line.over:
                raise httpcore2.WriteTimeout("it took too long")
            self._line.sent = True
            self._stream.write(buffer[start : start + _PIECE], self._line.left())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(
            ssl_context, server_hostname, min(self._line.left(), CONNECT_SECONDS)
        )
        return _Counted(secured, self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _read(response: httpcore2.Response, line: _Line) -> Answer:
    """What came; once the status is known, a body that breaks off is only noted."""
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    line.allowance += LARGEST
    body, whole = bytearray(), True
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > LARGEST:
                whole = False
                break
    except _FAILED:
        whole = False
    return Answer(response.status, headers, bytes(body[:LARGEST]), whole)


def _words(error: Exception) -> str:
    if isinstance(error, httpcore2.LocalProtocolError):
        return "a header cannot be sent as it is"  # its own words quote the header, which may be a secret
    if isinstance(error, httpcore2.TimeoutException):
        return "it did not answer in time"
    return made_visible(str(error))[:200] or type(error).__name__
