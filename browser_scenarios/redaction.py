"""Removes secrets from the trace of a failed step, which contains all headers and so the session's cookies."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from common.atomic_write import replacing

#: Replacement of a secret, and the minimum length of one: shorter values are not secret and occur by chance.
_REPLACEMENT, _SHORTEST = b"(redacted)", 8


def redact(archive: Path, secrets: Iterable[str]) -> None:
    """Rewrite the ZIP file *archive* atomically, without *secrets*, quoted or not."""
    forms = {
        form.encode() for secret in secrets if len(secret) >= _SHORTEST for form in (secret, quote(secret, safe=""))
    }
    with (
        replacing(archive) as temporary,
        zipfile.ZipFile(archive) as before,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for item in before.infolist():
            content = before.read(item)
            for form in sorted(forms, key=len, reverse=True):
                content = content.replace(form, _REPLACEMENT)
            after.writestr(item.filename, content)
