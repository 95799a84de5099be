"""Renders HTML templates with the values that every page needs: operator, form token and last message."""

from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from testbed.mpic import formatting
from testbed.mpic.fields import Kind, Widget
from testbed.mpic.request_checks import TOKEN, token

HERE = Path(__file__).resolve().parent
_OPERATOR, _MESSAGE = "operator", "message"


class Renderer:
    """Renders templates.

    Args:
        operator: name in the history, unless the user sets one.
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
        self._templates.globals.update(Kind=Kind, Widget=Widget, formatting=formatting, token_field=TOKEN)

    def __call__(
        self, request: Request, template: str, context: Mapping[str, object], status: int = 200
    ) -> HTMLResponse:
        """Return *template* rendered with *context*."""
        page = self._templates.get_template(template).render(
            context,
            # Only a page requested with GET can be returned to.
            here=f"{request.url.path}?{request.url.query}".rstrip("?") if request.method == "GET" else "/",
            operator=self.operator(request),
            message=request.session.pop(_MESSAGE, ""),
            token=token(request),
        )
        return HTMLResponse(page, status)

    def operator(self, request: Request) -> str:
        """Return the operator's name."""
        return str(request.session.get(_OPERATOR) or self._operator)

    def set_operator(self, request: Request, name: str) -> None:
        """Store the operator's name in the session."""
        request.session[_OPERATOR] = name

    def set_message(self, request: Request, message: str) -> None:
        """Show *message* on the next page."""
        request.session[_MESSAGE] = message
