"""Origins of rows, which only the rows name: browser, by user agent, and data centre."""

import pyarrow as pa
from ua_parser import parse_user_agent

from analysis.engines.base import QueryEngine

#: Browser of an unknown user agent.
OTHER = "other"


def browser_of(user_agent: str) -> str:
    """Return family and major version of a user agent, such as `Chrome 132`; `other` for an unknown one."""
    browser = parse_user_agent(user_agent)
    if browser is None:
        return OTHER
    return f"{browser.family} {browser.major}" if browser.major else browser.family


def add_sources(engine: QueryEngine) -> None:
    """Add the relation `sources`: browser and data centre of each source in `observed`; null where rows name none."""
    rows = engine.table("row_sources")
    browsers = [None if text is None else browser_of(text) for text in rows["user_agent"].to_pylist()]
    sources = rows.drop_columns("user_agent").append_column("browser", pa.array(browsers, pa.string()))
    engine.add("sources", sources)
