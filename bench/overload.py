"""Load beyond what a service can take: python -m bench.overload PORT PATH; --help tells more.

Closed-loop clients that pass over Retry-After, each with a secret of its own, beside some who share one (--greedy), and
a probe that connects anew ten times a second. For each number of clients: answers by status, a second, and how late.
"""

import argparse
import asyncio
import time
from collections import defaultdict

HOST = "127.0.0.1"
PROBE = b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
Latencies = dict[int, list[float]]


def request(path: str, body: str, secret: str) -> bytes:
    """The bytes of a request: a POST if there is a body."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: bench\r\nBench-Token: {secret}\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{kind}\r\n{body}".encode()


async def ask_on(port: int, message: bytes, end: float, found: Latencies) -> None:
    """One client: asks as soon as it is answered, until `end`."""
    reader, writer = await asyncio.open_connection(HOST, port)
    while time.perf_counter() < end:
        began = time.perf_counter()
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        found[int(head[9:12])].append(time.perf_counter() - began)
    writer.close()


async def probe_on(port: int, end: float, found: list[float]) -> None:
    """Asks for readiness on new connections, until `end`."""
    while time.perf_counter() < end:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(PROBE)
        await reader.read()
        writer.close()
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.1)


def told(latencies: list[float], seconds: float) -> str:
    """How many a second, and the latencies' median and 99th percentile."""
    if not latencies:
        return "0/s"
    ordered = sorted(latencies)
    middle, late = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
    return f"{len(ordered) / seconds:.0f}/s p50 {middle:.1f} p99 {late:.1f} ms"


async def load(arguments: argparse.Namespace, clients: int) -> None:
    """One line for so many clients."""
    end = time.perf_counter() + arguments.seconds
    mine: Latencies = defaultdict(list)
    greedy: Latencies = defaultdict(list)
    probes: list[float] = []
    await asyncio.gather(
        probe_on(arguments.port, end, probes),
        *(
            ask_on(arguments.port, request(arguments.path, arguments.body, f"bench-{number}"), end, mine)
            for number in range(clients)
        ),
        *(
            ask_on(arguments.port, request(arguments.path, arguments.body, "greedy"), end, greedy)
            for _ in range(arguments.greedy)
        ),
    )
    groups = {"clients": mine, "greedy": greedy} if arguments.greedy else {"clients": mine}
    for name, found in groups.items():
        by_status = ", ".join(f"{status}: {told(found[status], arguments.seconds)}" for status in sorted(found))
        print(f"{clients if found is mine else arguments.greedy} {name}: {by_status}")
    print(f"  /readyz: {told(probes, arguments.seconds)}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m bench.overload", description="Load beyond what a service can take.")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--body", default="", help="JSON to POST; without it, GET")
    parser.add_argument("--clients", type=int, nargs="+", default=[32, 160, 320])
    parser.add_argument("--greedy", type=int, default=0, help="more clients, which share one secret")
    parser.add_argument("--seconds", type=int, default=3)
    arguments = parser.parse_args()
    for clients in arguments.clients:
        asyncio.run(load(arguments, clients))


if __name__ == "__main__":
    main()
