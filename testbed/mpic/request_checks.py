"""Protection of the UI: CSRF tokens in forms, security headers, and a limit on body size."""

import secrets

from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1 << 20
TOKEN = "csrf_token"  # noqa: S105 – the name of a form field, not a secret
_HEADERS = {
    # No scripts: the UI works without them.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def token(request: Request) -> str:
    """Return the CSRF token of this session; created with the session's first form."""
    return str(request.session.setdefault(TOKEN, secrets.token_urlsafe(24)))


async def checked_form(request: Request) -> FormData:
    """Return the submitted form. Raises HTTPException (403) when it lacks the session's token."""
    form = await request.form(max_files=0)
    sent, own = form.get(TOKEN), request.session.get(TOKEN)
    if not isinstance(sent, str) or not own or not secrets.compare_digest(sent.encode(), str(own).encode()):
        raise HTTPException(403)
    return form


class Guard:
    """Middleware that adds security headers, and rejects large bodies before they are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                # Pages contain tokens, and the wiki caches the API's responses itself.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = _refusal(Request(scope))
        await (refusal or self._app)(scope, receive, guarded)


def _refusal(request: Request) -> PlainTextResponse | None:
    if request.method in ("GET", "HEAD"):
        return None
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or (length and not length.isdecimal()):
        return PlainTextResponse("Send a body with its Content-Length.\n", 411)
    if int(length or 0) > MAX_BODY:
        return PlainTextResponse(f"A body may have at most {MAX_BODY} bytes.\n", 413)
    return None
