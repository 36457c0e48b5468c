"""Where clients knock."""

import socket


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A socket that listens there, of `::` to IPv4 too; OSError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=is_dual)
