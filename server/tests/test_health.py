"""The command of a container's health check: two words, in time."""

import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest

from shopserver import health


def run(**environ: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if name not in {"HOST", "PORT"}}
    command = [sys.executable, "-m", "shopserver.health"]
    return subprocess.run(command, env=kept | environ, capture_output=True, text=True, timeout=30)


def answer_once(answer: bytes, host: str = "127.0.0.1") -> str:
    """A port where the next one who asks is answered so; nothing: never."""
    listening = socket.create_server((host, 0))

    def work() -> None:
        with listening, listening.accept()[0] as line:
            line.recv(1000)
            if answer:
                line.sendall(answer)
            else:
                line.recv(1000)

    threading.Thread(target=work, daemon=True).start()
    return str(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, "answers /healthz with 200"),
        (b"HTTP/1.1 503 Away\r\n\r\n", 1, "answers /healthz with 503"),
        (b"SSH-2.0-1\r\n", 1, "with nothing of HTTP"),
        (b"", 1, "timed out"),
    ],
)
def test_it_tells_what_is_answered(answer: bytes, code: int, words: str) -> None:
    began = time.monotonic()
    ended = run(PORT=answer_once(answer))
    told = ended.stderr if code else ended.stdout
    assert (ended.returncode, told.count("\n")) == (code, 1)
    assert words in told
    assert time.monotonic() - began < 10


def test_a_host_that_is_one_address_is_asked_there() -> None:
    good = b"HTTP/1.1 200 OK\r\n\r\n"
    assert run(PORT=answer_once(good, "127.0.0.2"), HOST="127.0.0.2").returncode == 0
    assert run(PORT=answer_once(good), HOST="0.0.0.0").returncode == 0


@pytest.mark.parametrize("port", ["", "many", "0", "65536", "9" * 5000, "\u0663"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    ended = run(PORT=port)
    assert (ended.returncode, ended.stderr) == (1, "PORT must say where the service listens.\n")


def test_who_drips_bytes_gets_no_more_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with listening.accept()[0] as line:
                for _ in range(100):
                    try:
                        line.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            health.ask("127.0.0.1", listening.getsockname()[1], 0.3)
        assert time.monotonic() - began < 2


def test_it_costs_little() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        run(PORT=answer_once(b"HTTP/1.1 200 OK\r\n\r\n"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5 < 0.1
