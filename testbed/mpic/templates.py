"""HTML from templates, with what every page needs: who is working, the form token, the last message."""

from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from testbed.mpic import formatting as views
from testbed.mpic.fields import Kind, Widget
from testbed.mpic.request_checks import TOKEN, token

HERE = Path(__file__).resolve().parent
_OPERATOR, _MESSAGE = "operator", "message"


class Renderer:
    """Renders the templates.

    Args:
        operator: who the history says it was, unless somebody gave a name.
    """

    def __init__(self, operator: str) -> None:
        self._operator = operator
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(Kind=Kind, Widget=Widget, views=views, token_field=TOKEN)

    def __call__(
        self, request: Request, template: str, context: Mapping[str, object], status: int = 200
    ) -> HTMLResponse:
        """Return the page that *template* makes of *context*."""
        page = self._templates.get_template(template).render(
            context,
            # Only what was asked for by GET can be returned to.
            here=f"{request.url.path}?{request.url.query}".rstrip("?") if request.method == "GET" else "/",
            operator=self.operator(request),
            message=request.session.pop(_MESSAGE, ""),
            token=token(request),
        )
        return HTMLResponse(page, status)

    def operator(self, request: Request) -> str:
        """Return who is working."""
        return str(request.session.get(_OPERATOR) or self._operator)

    def set_operator(self, request: Request, name: str) -> None:
        """Remember who is working."""
        request.session[_OPERATOR] = name

    def tell(self, request: Request, message: str) -> None:
        """Show *message* on the next page."""
        request.session[_MESSAGE] = message
