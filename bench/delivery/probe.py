"""Asks `/healthz` every 5 ms and notes how long each answer took: `probe.py SECONDS PORT`.

A process of its own, so that nothing the other clients do delays it. An answer that takes longer than
the interval delays the next question, so a stall is counted with the questions that it swallowed.
"""

import json
import socket
import sys
import time

EVERY = 0.005


def main(seconds: float, port: int) -> None:
    waits: list[float] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = due = time.perf_counter()
        while due < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            _read_answer(connection)
            answered = time.perf_counter()
            while due <= answered:
                waits.append((answered - due) * 1000)
                due += EVERY
    print(json.dumps(waits))


def _read_answer(connection: socket.socket) -> None:
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b" 200 " in head[:20], head
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
