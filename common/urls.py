"""Addresses, taken apart and put together by the standard library: one may have a query, a port, an IPv6 host."""

from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit


def with_query(address: str, **parameters: str) -> str:
    """Return *address* with *parameters* in its query, which keeps what it had; a name that is there is replaced."""
    parts = urlsplit(address)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return parts._replace(query=urlencode([*kept, *parameters.items()])).geturl()


def under(address: str, *path: str) -> str:
    """Return the address of *path*, one part after the other, below *address*, whose query it keeps."""
    parts = urlsplit(address)
    words = "".join(f"/{quote(word, safe=':@')}" for part in path for word in part.strip("/").split("/"))
    return parts._replace(path=parts.path.rstrip("/") + words).geturl()


def without_path(address: str, path: str) -> str:
    """Return *address* without *path* at the end of its path, without a query."""
    parts = urlsplit(address)
    return SplitResult(parts.scheme, parts.netloc, parts.path.removesuffix(path).rstrip("/"), "", "").geturl()
