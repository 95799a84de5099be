"""A minimal browser: parses pages and submits forms as a browser would."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple

import httpx
from starlette.types import ASGIApp

Values = Mapping[str, str | Sequence[str]]


class InProcess(httpx.BaseTransport):
    """A transport that calls an ASGI application, without a network."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            request.read()
            response = await self._transport.handle_async_request(request)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(answer())


class Button(NamedTuple):
    words: str
    name: str
    value: str
    action: str


@dataclass(slots=True)
class Form:
    """A form: action, values and buttons."""

    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    def value(self, name: str) -> str:
        """Return the only value of *name*."""
        [result] = self.all(name)
        return result

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.values if key == name]


class Page(HTMLParser):
    """A parsed page: the parts that the tests use."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._textarea: str | None = None
        self._select: str | None = None
        self._button: dict[str, str] | None = None
        self._text = ""
        self.feed(answer.text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> set[str]:
        return {attributes["id"] for _, attributes in self.tags if "id" in attributes}

    def form(self, action: str) -> Form:
        return next(form for form in self.forms if form.action == action)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag == "form":
            self.forms.append(Form(attributes.get("action", "")))
        elif tag == "textarea":
            self._textarea, self._text = attributes["name"], ""
        elif tag == "select":
            self._select = attributes["name"]
        elif tag == "option" and self._select and self.forms:
            self._text = ""
            self._option(attributes)
        elif tag == "input":
            self._input(attributes)
        elif tag == "button":
            self._button, self._text = attributes, ""

    def _option(self, attributes: dict[str, str]) -> None:
        if "selected" in attributes:
            self._chosen = attributes

    def _input(self, attributes: dict[str, str]) -> None:
        is_unchecked = attributes.get("type") == "checkbox" and "checked" not in attributes
        if "name" in attributes and not is_unchecked:
            self.forms[-1].values.append((attributes["name"], attributes.get("value", "")))

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea:
            # A browser removes the line break after the opening tag, and sends CRLF.
            text = self._text.removeprefix("\n").replace("\n", "\r\n")
            self.forms[-1].values.append((self._textarea, text))
            self._textarea = None
        elif tag == "option" and self._select:
            if self._chosen is not None:
                self.forms[-1].values.append((self._select, self._chosen.get("value", self._text.strip())))
            self._chosen = None
        elif tag == "select":
            self._select = None
        elif tag == "button" and self._button is not None:
            button = self._button
            words = " ".join(self._text.split())
            action = button.get("formaction", "")
            self.forms[-1].buttons.append(Button(words, button.get("name", ""), button.get("value", ""), action))
            self._button = None

    _chosen: dict[str, str] | None = None


class Browser:
    """Opens pages and submits forms."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def visit(self, path: str) -> Page:
        return Page(self.client.get(path, follow_redirects=True))

    def press(self, form: Form, words: str, changes: Values | None = None) -> Page:
        """Fill in *changes* and press the button with the text *words*."""
        button = next(button for button in form.buttons if button.words == words)
        changes = changes or {}
        values: dict[str, list[str]] = {}
        for name, value in form.values:
            values.setdefault(name, []).append(value)
        values |= {name: [value] if isinstance(value, str) else list(value) for name, value in changes.items()}
        if button.name:
            values[button.name] = [button.value]
        target = button.action or form.action
        return Page(self.client.post(target.partition("#")[0], data=values, follow_redirects=True))
