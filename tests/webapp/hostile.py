"""What is sent to the routes by test_fuzz: values, and pieces of requests as raw bytes."""

from typing import Any

WRONG: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "0", "null", "x" * 65, "x" * 70_000, "\0", "a\0b", "\ud800", "x\udfff", "\u202ehi\u2066",
    "\ufdfd" * 90,
    "@all " * 2000, "../..", "<script>", "%00", "'; drop table users;--",
    [], [None], [[]], ["a"] * 300, {}, {"": ""}, {"$ne": 1}, {"a": {"a": {"a": []}}},
]  # fmt: skip
BODIES = [
    b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff\xfe", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e999}',
    b'{"a":' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"\\ud800":1}', b"a=b", b"--x\r\n", b"\xef\xbb\xbf{}",
    b"{" + b",".join(b'"k%d":1' % number for number in range(300)) + b"}",
]  # fmt: skip
KINDS = [
    b"application/json", b"application/json; charset=utf-16", b"application/json;charset=%ff", b"text/plain",
    b"application/vnd.api+json", b"multipart/form-data", b"multipart/form-data; boundary=\xff", b"\xff", b"",
    b"application/x-www-form-urlencoded; charset=nope",
]  # fmt: skip
PLACES = [
    b"%00", b"%ff", b"\xff", b"x", b"0", b"-1", b"%2e%2e", b"..", b"%F0%9F%91%8D", b"%e2%80%ae", b"x" * 3000,
    b"project:", b"user:x", b"00000000-0000-0000-0000-000000000000", b"%0d%0aX:%201", b"{}", b"%",
]  # fmt: skip
VALUES = [
    b"", b"x", b"-1", b"0", b"1.5", b"1e400", b"nan", b"9" * 5000, b"%D9%A3", b"%C2%B2", b"%00", b"%ff",
    b"\xff",
    b"%ed%a0%80", b"[]", b"null", b"%", b"&&=;", b"x" * 5000, b"\xc3", b"//evil.example", b"http://[",
]  # fmt: skip
HEADERS = [
    b"Referer: http://[", b"Referer: \xff", b"Origin: http://[", b"Origin: \xff", b"Host: [", b"Host: a b",
    b"Host: \xff", b"Host:", b"Host: x:99999999", b"Cookie: tr_sid=\xff\xfe; ;;=;a",
    b'Cookie: theme="\\377\\000<x>"',
    b"Cookie: project=\xff", b"Authorization: Bearer \xff\xfe", b"Authorization:", b"Authorization: Basic =",
    b"Idempotency-Key: \xff", b"X-CSRF-Token: \xff", b"Accept: \xff", b"Accept-Language: \xff;q=x",
    b"X: " + b"a" * 9000,
    b"Range: bytes=9-,a-b", b"If-None-Match: \xff", b"If-Modified-Since: \xff", b"X-Forwarded-For: zzz",
    b"X-Forwarded-Proto: \xff", b"Expect: 100-continue", b"Expect: \xff", b"User-Agent: \xff\x01",
]  # fmt: skip
FRAMES = [
    b"GET /\xff\xfe?x=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /sign-in?x=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /sign-in?next=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://evil/api/me HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[/api/me HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"TRACE /api/me HTTP/1.1\r\nHost: x\r\n\r\n",
    b"%b /api/me HTTP/1.1\r\nHost: x\r\n\r\n" % (b"F" * 2000),
    b"GET /api/me HTTP/1.0\r\n\r\n",
    b"GET /api/me HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /api/me\r\n\r\n",
    b"\xff\xfe\x00\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/me HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(3000)) + b"\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\na=1",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\na=1",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{}",
    b"GET /static/%2e%2e/webapp/config.py HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /static/a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /static/" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /socket.io/?EIO=\xff&transport=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=websocket&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: [\r\nOrigin: http://[\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff\r\n\r\n",
]  # fmt: skip
