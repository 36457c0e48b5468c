"""The event loop of tests leaves no socket open that a driver was making a connection with."""

import asyncio
from socket import socket

import pytest

from shopdev.ports import free_port


@pytest.mark.parametrize("turns", [1, 2])
async def test_a_connection_given_up_while_it_is_made_is_closed(turns: int) -> None:
    connecting = socket()
    connecting.setblocking(False)

    async def connect() -> None:
        address = ("127.0.0.1", free_port())
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connecting, address), 1)

    making = asyncio.create_task(connect())
    for _ in range(turns):
        await asyncio.sleep(0)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert connecting.fileno() == -1
