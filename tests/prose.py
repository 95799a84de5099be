"""Prose of the repository and what reads badly in it: `python -m tests.prose [PACKAGE…]` lists each place."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

#: Constructions that read as if translated. docs/design/style.md has the rules and a plain form of each.
_PATTERNS = (
    r"(?<!there )\b(is|are|was|were) (no|none|nobody's)\b(?! (longer|more|other|less)\b)",
    r"\bthat (is|are) none\b",
    r"\bwhat (became|comes|came) of\b",
    r"\bwhat there (is|was) to\b",
    r"\b(what|who|which|all|everything|nothing|anything|those) (that )?there (is|are) to\b",
    r"\bthere (is|are) to\b",
    r"\bof (its|their|his|our|my|your) own\b",
    r"\b(not|never|nowhere) to be had\b",
    r"\bso (many|long|few|much|large|small)\b(?! (that|as)\b)",
    r"\b(whoever|whatever|whichever|wherever|whomever)\b",
    r"\bat once\b",
    r"\bhoped for\b",
    r"\b(is|are|was|were|be|been|being) (told|said|asked|called|seen|found|met|made)\b"
    r"(?= (of|anew|by|apart|so|to|with|likewise|again|in)\b)",
    r"\bmade anew\b",
    r"\banew\b",
    r"\blikewise\b",
    r"\bin (his|its|their) stead\b",
    r"\bbeside (it|them|the|each|one|another)\b",
    r"\bthe affair of\b",
    r"\bas (many|much|long|often) as (one|you|somebody|anybody) likes?\b",
    r"\b(somebody|nobody|anybody|everybody) (who|that|else)\b",
    r"\bis not one\b",
    r"\bwhat (it|they|one|he|she) (is|are|was|were|has|have|had|does|do|did)\b",
    r"\b(one|those|them) a (module|request|event|second|line|file|worker|subject|visit|command|page|group|topic)\b",
    r"\b(one|those|them) a (run|test|persona|user|layer|scenario)\b",
    r"\ba (row|line|file|worker|page|test|request|event) a (row|line|file|worker|page|test|request|event)\b",
    r"\ba (row|line|file|worker|page|test|request|event) a (step|moment)\b",
    r"\bhow far\b",
    r"\bmuch the same\b",
    r"\bgone\b",
    r"\bput (right|on the wire|into words)\b",
    r"\bbrought together\b",
    r"\bwent wrong with\b",
    r"\b(is|are|was) there already\b",
    r"\bthe (more|less) so\b",
    r"\bby (hand|itself|themselves)\b(?= (and|or|too)\b)",
    r"\bnot a moment\b",
    r"\bnone (of it|of them|at all|is|are|was|were)\b",
    r"\ball (of it|of them) (is|are|was|were)\b",
    r"\bas (it|they) (is|are|was|were) (told|said|asked|given)\b",
)
STILTED = re.compile("|".join(_PATTERNS), re.IGNORECASE)

#: Kinds of files that hold prose.
SUFFIXES = (".py", ".md", ".sql", ".js", ".php", ".html", ".j2")

#: Files that quote what they forbid, and the history of changes.
EXEMPT = frozenset({"tests/prose.py", "docs/design/style.md", "CHANGELOG.md"})

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_MARKUP = re.compile(r"<style.*?</style>|<script.*?</script>|\{[%#{].*?[%#}]\}|<[^>]*>", re.S)
_LITERAL_WORDS = 4


class Passage(NamedTuple):
    """A piece of prose: its *file*, *line* and *text*."""

    file: str
    line: int
    text: str


def python_passages(path: str, source: str) -> Iterator[Passage]:
    """Yield docstrings, comments, and literals of four words or more."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(path, token.start[0], token.string.lstrip("#: "))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(_WORD.findall(node.value)) >= _LITERAL_WORDS
        ):
            yield Passage(path, node.lineno, node.value)


def text_passages(path: str, source: str) -> Iterator[Passage]:
    """Yield the lines outside code blocks."""
    fenced = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield Passage(path, number, line)


def marked_passages(path: str, source: str, mark: str) -> Iterator[Passage]:
    """Yield comment lines that start with *mark*."""
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith(mark):
            yield Passage(path, number, line.lstrip().removeprefix(mark))


def passages(path: str, source: str) -> list[Passage]:
    """Return the prose of one file."""
    suffix = Path(path).suffix
    if suffix == ".py":
        return list(python_passages(path, source))
    if suffix == ".md":
        return list(text_passages(path, source))
    if suffix == ".sql":
        return list(marked_passages(path, source, "--"))
    if suffix in (".js", ".php"):
        return [p for mark in ("//", "*", "/*") for p in marked_passages(path, source, mark)]
    if suffix in (".html", ".j2"):
        return list(text_passages(path, _MARKUP.sub(" ", source)))
    return []


#: Names that tell a value's history and not what it is, and metaphors for which the field has a term.
VAGUE_NAMES = frozenset(
    [
        "found",
        "told",
        "asked",
        "said",
        "made",
        "gone",
        "place",
        "came",
        "Crew",
        "Crews",
        "Agenda",
        "Stretch",
        "Wire",
        "Governor",
        "LoadBook",
        "TallyKeeper",
        "GrowingFiles",
        "write_whole",
        "PageShelf",
        "shelve",
        "Resident",
        "MasterDesk",
        "WorkerDesk",
        "whereabouts",
        "silences",
        "StandOut",
        "Told",
        "Owed",
        "Blame",
        "Known",
        "Casting",
        "World",
        "witness",
        "spoil",
        "furnish",
        "refit",
        "put_example",
        "misbehaviour",
        "PickySchemas",
        "AstrayProducer",
        "LossyFront",
        "FreezingFront",
        "people",
        "patience_s",
        "patience_us",
    ]
)


class Hit(NamedTuple):
    """A stilted construction: its *passage* and *words*."""

    passage: Passage
    words: str


class Count(NamedTuple):
    """The prose of one package: its *words*, and the *hits* in them."""

    words: int
    hits: tuple[Hit, ...]

    @property
    def per_thousand(self) -> float:
        """Stilted constructions per 1,000 words."""
        return 1000 * len(self.hits) / max(self.words, 1)


def tracked_files(*suffixes: str) -> list[str]:
    """Return the repository's files, by path, that end with one of *suffixes*."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in listed.decode().split("\0") if name.endswith(suffixes) and (ROOT / name).is_file()]


def package_of(path: str) -> str:
    """Return the package that the file *path* is in: its first folder, or `root`."""
    first, slash, _ = path.partition("/")
    return first if slash else "root"


def count(listed: Sequence[Passage]) -> Count:
    """Return the words of *listed* and the stilted constructions in them."""
    words = sum(len(_WORD.findall(passage.text)) for passage in listed)
    hits = tuple(
        Hit(passage, match.group(0)) for passage in listed for match in STILTED.finditer(" ".join(passage.text.split()))
    )
    return Count(words, hits)


def count_packages() -> dict[str, Count]:
    """Return the prose of each package."""
    listed: dict[str, list[Passage]] = {}
    for path in tracked_files(*SUFFIXES):
        if path not in EXEMPT:
            listed.setdefault(package_of(path), []).extend(passages(path, (ROOT / path).read_text(encoding="utf-8")))
    return {package: count(its) for package, its in sorted(listed.items())}


def vague_names(path: str) -> list[str]:
    """Return `path:line name` for each identifier of the Python file *path* that is among `VAGUE_NAMES`."""
    source = (ROOT / path).read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        f"{path}:{token.start[0]} {token.string}"
        for token in tokens
        if token.type == tokenize.NAME and token.string in VAGUE_NAMES
    ]


def main(packages: Sequence[str]) -> None:
    """Print each hit in *packages*, and a line a package."""
    for package, counted in count_packages().items():
        if packages and package not in packages:
            continue
        for hit in counted.hits:
            print(f"{hit.passage.file}:{hit.passage.line}: {hit.words!r}")
        print(f"{package}: {counted.words} words, {len(counted.hits)} stilted, {counted.per_thousand:.1f} per 1,000")
    for path in tracked_files(".py"):
        if not packages or package_of(path) in packages:
            for name in vague_names(path):
                print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
