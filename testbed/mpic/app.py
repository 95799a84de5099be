"""MPIC as an ASGI application."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from testbed.mpic.api import Api
from testbed.mpic.api_faults import ApiFaultSwitch, FaultyApi
from testbed.mpic.request_checks import Guard
from testbed.mpic.store import Store
from testbed.mpic.templates import HERE, Renderer
from testbed.mpic.views import Pages

LOOPBACK = ("127.0.0.1", "localhost")
_ERROR_TEXTS = {
    400: ("That request is not valid", "Go back and try again."),
    403: (
        "Nothing was saved",
        "The form does not belong to this session: it was open too long, or cookies are blocked. Go back, "
        "reload the page and send it again.",
    ),
    404: ("There is no such page", "Check the spelling of the address, or look in the lists."),
    405: ("That action is not possible here", "Go back and use the page's buttons."),
    500: ("Something went wrong", "You did nothing wrong. See the log of this service for the cause."),
}


def create_app(store: Store, *, operator: str = "operator", hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """Return the application.

    Args:
        store: store of configs.
        operator: name in the history, unless the user sets one in the UI.
        hosts: accepted host names; others are rejected, because another site could point its name at this address.
    """
    render = Renderer(operator)
    faults = ApiFaultSwitch()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def failed(request: Request, error: Exception) -> Response:
        # Other exceptions are raised again after the response, so that the server logs them.
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, advice = _ERROR_TEXTS.get(status, _ERROR_TEXTS[400])
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": error.detail if isinstance(error, HTTPException) else title}, status)
        # Errors of outer middleware are handled outside the session.
        request.scope.setdefault("session", {})
        return render(request, "message.html", {"title": title, "advice": advice, "status": status}, status)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            *faults.routes(),
            *Api(store).routes(),
            *Pages(store, render).routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(FaultyApi, faults=faults),
            Middleware(Guard),
            Middleware(SessionMiddleware, secret_key=store.secret(), session_cookie="mpic", same_site="strict"),
        ],
        exception_handlers={HTTPException: failed, Exception: failed},
    )
