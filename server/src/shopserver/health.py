"""`python -m shopserver.health`: whether the service in this container answers; for a container's HEALTHCHECK.

It asks http://127.0.0.1:$PORT/healthz, or $HOST where that is one address, and has answered after 2 s: exit code 0 or
1, with one sentence. It imports little, for it is started over and over beside the service.
"""

import os
import socket
import sys
from time import monotonic

LIMIT_SECONDS = 2.0
EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 (it is not listened there, but asked what listens there)


def main() -> int:
    """The command."""
    # A service reads its settings by its kit, which this must not wait for.
    host, port = os.environ.get("HOST", ""), os.environ.get("PORT", "")  # noqa: TID251
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return _tell("PORT must say where the service listens.", 1)
    host = "127.0.0.1" if host in EVERYWHERE else host
    try:
        status = ask(host, int(port), LIMIT_SECONDS)
    except OSError as error:
        return _tell(f"Nothing healthy at {host}:{port}: {error.strerror or error}.", 1)
    return _tell(f"{host}:{port} answers /healthz with {status or 'nothing of HTTP'}.", 0 if status == "200" else 1)


def ask(host: str, port: int, seconds: float) -> str:
    """The status that GET /healthz is answered with, "" where that is not HTTP; OSError where nothing comes in time."""
    due = monotonic() + seconds
    with socket.create_connection((host, port), seconds) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        # The status line, to its end; a service that drips bytes has no more time than another.
        while b"\r\n" not in answer and len(answer) < 1000:
            line.settimeout(max(0.001, due - monotonic()))
            piece = line.recv(1000)
            if not piece:
                break
            answer += piece
    protocol, _, rest = answer.partition(b" ")
    return rest[:3].decode("latin-1") if protocol.startswith(b"HTTP/1.") else ""


def _tell(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
