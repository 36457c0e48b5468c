"""The process: it listens, and ends well."""

import errno
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from shopserver import running
from shopserver.listening import listen

PROGRAM = """
import asyncio, sys
from shopserver.running import serve

class App:
    def at_once(self, scope): return None
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
                print(step)
            return
        print("asked", flush=True)
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

serve(App(), "127.0.0.1", int(sys.argv[1]))
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def process(port: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PROGRAM, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def connect(port: int) -> socket.socket:
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("The process does not listen.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_what_is_at_work_and_ends_well(
    process: "subprocess.Popen[str]", port: int, number: signal.Signals
) -> None:
    with connect(port) as busy, connect(port) as idle:
        busy.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert process.stdout
        while process.stdout.readline() != "asked\n":
            pass
        process.send_signal(number)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert busy.recv(1000).endswith(b"ok")
        assert busy.recv(1) == b""
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "shutdown\n", "")


EARLY = """
import os, signal, sys

class Importing:
    def find_spec(self, name, *_):
        if name == "uvloop":
            print("importing", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Importing())
"""


def test_told_to_stop_before_it_serves_it_ends_too(port: int) -> None:
    command = [sys.executable, "-c", EARLY + PROGRAM, str(port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "importing\nstartup\nshutdown\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such limit")
def test_who_reads_nothing_of_an_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STALLED_SECONDS", 1)
    first, *others = running.listen("127.0.0.1", 0)
    with socket.create_connection(first.getsockname()), first.accept()[0] as ours:
        ours.settimeout(20)
        with pytest.raises(TimeoutError, match="timed out") as caught:
            ours.sendall(b"x" * 50_000_000)
        assert caught.value.errno == errno.ETIMEDOUT
    for each in (first, *others):
        each.close()


def test_a_log_that_nobody_reads_stops_nobody(port: int) -> None:
    program = PROGRAM.replace('"asked"', '"x" * 300_000').replace("sleep(1)", "sleep(0)")
    command = [sys.executable, "-c", program, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        with connect(port) as client:
            for _ in range(3):
                client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_it_serves_though_stdout_is_closed(port: int) -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" "$2" >&-', sys.executable, PROGRAM, str(port)]
    with subprocess.Popen(command) as process:
        with connect(port) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert client.recv(1000).endswith(b"ok")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_it_does_not_start_where_another_listens(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        command = [sys.executable, "-c", PROGRAM, str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "OSError" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no addresses of both kinds")
def test_who_listens_to_all_addresses_hears_those_of_ipv4_too() -> None:
    with listen("::", 0, 1) as ours:
        socket.create_connection(("127.0.0.1", ours.getsockname()[1]), timeout=5).close()
