"""A request's body, which may be as long as its sender likes: never more of it than is allowed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from advent_dist.runs.serving.answer import Answer, refusal

_RECEIVED_WITHIN_S = 60.0
_THROWN_AWAY_WITHIN_S = 2.0


async def read_body(request: Request, most: int) -> bytes | Answer:
    """The body, if it is not too long.

    Args:
        request: of which nothing is read if it says that it is too long.
        most: bytes.

    Returns:
        The bytes, or a refusal: 408 they come too slowly, 413 they are too many.

    Raises:
        ClientDisconnect: the sender is gone.
    """
    too_long = refusal(
        413, f"the body has more than {most:,} bytes (--max-megabytes); send a smaller image"
    )
    if int(request.headers.get("content-length", 0)) > most:
        return too_long
    body = bytearray()

    async def read() -> bytes | Answer:
        async for chunk in request.stream():
            body.extend(chunk)
            if len(body) > most:
                return too_long
        return bytes(body)

    try:
        return await asyncio.wait_for(read(), _RECEIVED_WITHIN_S)
    except (TimeoutError, asyncio.TimeoutError):
        why = f"the body was not there after {_RECEIVED_WITHIN_S:g} s; send it faster"
        return refusal(408, why)


async def throw_away(request: Request, most: int) -> None:
    """Receive what is still on its way, within bounds: many senders read no answer before.

    Args:
        request: whose answer ends the connection.
        most: bytes.
    """
    if "expect" in request.headers:
        return  # it waits for a word before it sends anything
    with suppress(TimeoutError, asyncio.TimeoutError, ClientDisconnect):
        await asyncio.wait_for(_receive(request, most), _THROWN_AWAY_WITHIN_S)


async def _receive(request: Request, most: int) -> None:
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > most:
            return
