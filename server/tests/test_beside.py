"""Those who watch are answered while the service itself is stuck."""

import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection

PROGRAM = """
import asyncio, sys, time
from shopserver.beside import Watched
from shopserver.running import serve

class App:
    is_draining = False
    def at_once(self, scope): return None
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        if scope["path"] == "/stuck":
            # Holds the event loop and the interpreter, as a loop of our own would.
            end = time.monotonic() + 2
            while time.monotonic() < end:
                sum(range(1000))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

class Probes(App):
    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"still"})

serve(App(), "127.0.0.1", int(sys.argv[1]), 0, Watched(Probes(), int(sys.argv[2])))
"""


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def asked(port: int, path: str) -> tuple[bytes, float]:
    began = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body, time.monotonic() - began


def test_who_watches_is_answered_while_the_service_is_stuck_and_until_it_ends() -> None:
    port, beside = free_ports()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(port), str(beside)], stderr=subprocess.PIPE) as process:
        try:
            for _ in range(400):
                try:
                    assert asked(port, "/")[0] == b"ok"
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            with socket.create_connection(("127.0.0.1", port), timeout=20) as stuck:
                stuck.sendall(b"GET /stuck HTTP/1.1\r\nHost: test\r\n\r\n")
                time.sleep(0.2)
                answers = [asked(beside, "/healthz") for _ in range(5)]
                assert [body for body, _ in answers] == [b"still"] * 5
                # The service was stuck all the while: it had two seconds to be so.
                assert sum(seconds for _, seconds in answers) < 1.5
                process.send_signal(signal.SIGTERM)
                assert stuck.recv(1000).endswith(b"ok")
            _, errors = process.communicate(timeout=30)
            assert (process.returncode, errors) == (0, b"")
        finally:
            process.kill()


def test_where_the_port_is_taken_it_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, _ = free_ports()
        command = [sys.executable, "-c", PROGRAM, str(port), str(taken.getsockname()[1])]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert ended.returncode == 1
        assert "OSError: [Errno 98] Address already in use" in ended.stderr
