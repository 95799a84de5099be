"""Browsers by their user agents, as rows have them in `http.request_headers`."""

import pyarrow as pa
from ua_parser import parse_user_agent

from analysis.engine import Engine

#: Of a user agent that nobody knows.
OTHER = "other"


def browser_of(user_agent: str) -> str:
    """Return the family and the major version that a user agent names, such as `Chrome 132`; `other` of any unknown."""
    found = parse_user_agent(user_agent)
    if found is None:
        return OTHER
    return f"{found.family} {found.major}" if found.major else found.family


def add_browsers(engine: Engine) -> None:
    """Add the table `browsers`: the browser that each number of a user agent in `observed` stands for."""
    rows = engine.table("user_agents")
    names = [browser_of(text) for text in rows["user_agent"].to_pylist()]
    engine.add("browsers", pa.table({"agent": rows["agent"], "browser": pa.array(names, pa.string())}))
