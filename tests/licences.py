"""The pinned packages: the packages that need each, and its licence."""

import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"

#: SPDX identifiers of licence names in packages.
_NAMES = {
    "MIT License": "MIT", "MIT license": "MIT", "Apache Software License": "Apache-2.0", "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD", "BSD 2-Clause License": "BSD-2-Clause", "2-clause BSD": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause", "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}  # fmt: skip

#: Pinned packages of other systems or Python versions, which are not installed.
_ELSEWHERE = {"colorama": "BSD", "pywin32": "PSF-2.0", "pyyaml-ft": "MIT"}


class Pin(NamedTuple):
    """A pinned package and the packages that need it; none for a direct dependency."""

    name: str
    needed_by: tuple[str, ...]


def pins() -> dict[str, Pin]:
    """Return the packages of all files of pins, by name."""
    by_name: dict[str, set[str]] = {}
    for path in sorted(REQUIREMENTS.glob("*.txt")):
        name = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", line):
                name = normal(pinned[1])
                by_name.setdefault(name, set())
            elif via := re.match(r"    # +(?:via )?([A-Za-z0-9._-]+)$", line):
                by_name[name].add(normal(via[1]))
    own = direct()
    return {
        name: Pin(name, () if name in own else tuple(sorted(needed_by - {"via", name})))
        for name, needed_by in sorted(by_name.items())
    }


def direct() -> frozenset[str]:
    """Return the direct dependencies of the project."""
    lines = [line for path in REQUIREMENTS.glob("*.in") for line in path.read_text(encoding="utf-8").splitlines()]
    names = [re.split(r"[\[=<>;]", line)[0].strip() for line in lines if line and not line.startswith(("#", "-r"))]
    return frozenset(map(normal, names))


def normal(name: str) -> str:
    """Return *name* in the normalised form of package indexes."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(name: str) -> str:
    """Return the licence that the installed package *name* states; empty when it states none."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    facts = metadata.metadata(name)
    classifiers = [
        item.rpartition("::")[2].strip() for item in facts.get_all("Classifier") or () if item.startswith("License ::")
    ]
    stated = facts["License-Expression"] or ""
    text = (facts["License"] or "").strip()
    if not stated and text and len(text) < 40 and "\n" not in text and text != "UNKNOWN":
        stated = text
    stated = stated or " AND ".join(sorted({_NAMES.get(item, item) for item in classifiers} - {"DFSG approved"}))
    return _NAMES.get(stated, stated)
