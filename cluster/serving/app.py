"""The routes of the server, apart from who computes the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from advent_dist.runs.serving.answer import Answer, refusal
from advent_dist.runs.serving.open import About
from cluster.serving.body import read_body, throw_away
from cluster.serving.options import ServeOptions

Ask = Callable[[bytes, str], Awaitable[Answer]]
"""Answers a file of an image; what is asked for is one of `About.answers`."""

_PAGE = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
_PAGE |= {"/page.css": ("page.css", "text/css")}
"""Route -> file beside this one, and its type."""

_HEADERS = {
    # The page's own script and style, pictures that it makes, and no other host.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def build_app(
    ask: Ask, about: About, options: ServeOptions, works: Callable[[], bool]
) -> Starlette:
    """An ASGI application.

    Args:
        ask: Computes answers.
        about: What is served.
        options: Limits.
        works: Whether there is somebody to ask; may take its time.
    """
    predict = _Predict(ask, about, options)

    async def health(_: Request) -> Response:
        if not await run_in_threadpool(works):
            return _response(refusal(503, "no worker is ready; wait for it to start again"))
        return JSONResponse({**asdict(about), "status": "ok"}, headers=_HEADERS)

    app = Starlette(
        routes=[
            Route("/predict", predict.respond, methods=["POST"]),
            Route("/health", health),
            *(Route(path, _file(*what)) for path, what in _PAGE.items()),
        ],
        exception_handlers={HTTPException: _told, Exception: _fault},  # type: ignore[dict-item]
    )
    app.router.redirect_slashes = False
    return app


class _Predict:
    """POST /predict."""

    def __init__(self, ask: Ask, about: About, options: ServeOptions) -> None:
        self._ask = ask
        self._kinds = about.answers
        self._options = options
        self._in_hand = 0

    async def respond(self, request: Request) -> Response:
        """An answer to an image, or a line that says why there is none."""
        if self._in_hand >= self._options.max_requests:
            busy = refusal(503, f"{self._in_hand} images are in hand already; send it again later")
            return await self._refuse_unread(request, busy)
        self._in_hand += 1
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return _response(refusal(400, "the body has ended early; send all of it"))
        finally:
            self._in_hand -= 1

    async def _answer(self, request: Request) -> Response:
        kind = request.query_params.get("as", self._kinds[0])
        if kind not in self._kinds:
            why = f"?as={kind!r}: there is no such answer; ask for one of {', '.join(self._kinds)}"
            return await self._refuse_unread(request, refusal(400, why))
        body = await read_body(request, self._options.most_bytes)
        if isinstance(body, Answer):
            return await self._refuse_unread(request, body)
        return _response(await self._ask(body, kind))

    async def _refuse_unread(self, request: Request, answer: Answer) -> Response:
        await throw_away(request, self._options.most_bytes)
        return _response(answer, {"Connection": "close"})


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers=_HEADERS | ({"Retry-After": "1"} if answer.status == 503 else {}) | (headers or {}),
    )


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    body = Path(__file__).with_name(name).read_bytes()

    async def respond(_: Request) -> Response:
        return Response(body, media_type=media_type, headers=_HEADERS)

    return respond


async def _told(request: Request, error: HTTPException) -> Response:
    """In one line, what Starlette refuses."""
    method, path = request.method, request.url.path
    why = {
        404: f"{path!r}: there is nothing here; send images to /predict",
        405: f"{method} {path!r}: that is not done here; POST images to /predict, GET the rest",
    }.get(error.status_code, error.detail)
    return _response(
        refusal(error.status_code, why), {"Connection": "close", **(error.headers or {})}
    )


async def _fault(_: Request, __: Exception) -> Response:
    """A fault of ours, whose traceback is on stderr."""
    return _response(refusal(500, "the server has made a mistake; its output says which"))
