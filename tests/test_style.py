"""The repository's language and layout: plain sentences, names that say what a value is, small files and functions."""

import ast

from tests.prose import ROOT, count_packages, tracked_files, vague_names

#: Stilted constructions per 1,000 words that a package may have.
LIMIT = 1.0

MAX_LINES = 400
MAX_FUNCTION_LINES = 60

PYTHON = tracked_files(".py")
SOURCES = tracked_files(".py", ".js", ".php", ".sql")

#: How a caption starts: a docstring, or a comment of one of the languages.
COMMENTS = ('"""', "//", "/*", "--", "#")


def test_prose_is_plain() -> None:
    stilted = {
        package: (
            round(counted.per_thousand, 1),
            [f"{hit.passage.file}:{hit.passage.line}: {hit.words}" for hit in counted.hits],
        )
        for package, counted in count_packages().items()
        if counted.per_thousand > LIMIT
    }
    assert not stilted


def test_names_say_what_values_are() -> None:
    assert not [name for path in PYTHON for name in vague_names(path)]


def test_files_are_small() -> None:
    assert not [path for path in SOURCES if len(_lines(path)) > MAX_LINES]


def test_first_line_says_what_a_file_holds() -> None:
    assert not [path for path in SOURCES if not path.startswith("tests/") and not _has_caption(_lines(path))]


def test_functions_are_short() -> None:
    long = []
    for path in PYTHON:
        for node in ast.walk(ast.parse("\n".join(_lines(path)))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > MAX_FUNCTION_LINES:
                long.append(f"{path}:{node.lineno} {node.name}")
    assert not long


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


def _has_caption(lines: list[str]) -> bool:
    code = lines[1:] if lines and lines[0].startswith(("#!", "<?php")) else lines
    return not code or code[0].lstrip().startswith(COMMENTS)
