"""Edit URLs with the standard library's parser: they may have a query, a port or an IPv6 host."""

from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit


def with_query(url: str, **parameters: str) -> str:
    """Return *url* with *parameters* added to its query; a parameter that it has already is replaced."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return parts._replace(query=urlencode([*kept, *parameters.items()])).geturl()


def join_path(url: str, *path: str) -> str:
    """Return *url* with the parts of *path* appended to its path; the query stays."""
    parts = urlsplit(url)
    suffix = "".join(f"/{quote(word, safe=':@')}" for part in path for word in part.strip("/").split("/"))
    return parts._replace(path=parts.path.rstrip("/") + suffix).geturl()


def strip_path(url: str, path: str) -> str:
    """Return *url* without *path* at the end of its path, and without a query."""
    parts = urlsplit(url)
    return SplitResult(parts.scheme, parts.netloc, parts.path.removesuffix(path).rstrip("/"), "", "").geturl()
