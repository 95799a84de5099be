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
_SAID = {
    400: ("That request makes no sense", "Go back and try again."),
    403: (
        "Nothing was saved",
        "The form did not come from this session: it was open too long, or cookies are blocked. Go back, "
        "reload the page and send it again.",
    ),
    404: ("There is no such page", "It may have been spelt differently. The lists show everything there is."),
    405: ("That does not work here", "Go back and use the page's buttons."),
    500: ("Something broke", "It was not your doing. The log of this service says what happened."),
}


def create_app(store: Store, *, operator: str = "operator", hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """Return the application.

    Args:
        store: where configs are kept.
        operator: who the history says it was, unless somebody gives a name in the UI.
        hosts: names under which it may be asked; others are refused, for a foreign site could point its own
            name at this address.
    """
    render = Renderer(operator)
    misbehaviour = ApiFaultSwitch()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def failed(request: Request, error: Exception) -> Response:
        # What is no HTTPException is raised again after the answer, so that the server logs it.
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, advice = _SAID.get(status, _SAID[400])
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": error.detail if isinstance(error, HTTPException) else title}, status)
        # Errors of the outermost kind are answered outside the session.
        request.scope.setdefault("session", {})
        return render(request, "message.html", {"title": title, "advice": advice, "status": status}, status)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            *misbehaviour.routes(),
            *Api(store).routes(),
            *Pages(store, render).routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(FaultyApi, misbehaviour=misbehaviour),
            Middleware(Guard),
            Middleware(SessionMiddleware, secret_key=store.secret(), session_cookie="mpic", same_site="strict"),
        ],
        exception_handlers={HTTPException: failed, Exception: failed},
    )
