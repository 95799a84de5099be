"""Where rows came from, as only they tell: the browser, by its user agent, and the data centre."""

import pyarrow as pa
from ua_parser import parse_user_agent

from analysis.engines.duckdb_engine import QueryEngine

#: Of a user agent that nobody knows.
OTHER = "other"


def browser_of(user_agent: str) -> str:
    """Return the family and the major version that a user agent names, such as `Chrome 132`; `other` of any unknown."""
    found = parse_user_agent(user_agent)
    if found is None:
        return OTHER
    return f"{found.family} {found.major}" if found.major else found.family


def add_sources(engine: QueryEngine) -> None:
    """Add the table `sources`: the browser and the data centre that each source of the table `observed` stands for.

    Either is null where rows do not tell it.
    """
    rows = engine.table("row_sources")
    browsers = [None if text is None else browser_of(text) for text in rows["user_agent"].to_pylist()]
    sources = rows.drop_columns("user_agent").append_column("browser", pa.array(browsers, pa.string()))
    engine.add("sources", sources)
