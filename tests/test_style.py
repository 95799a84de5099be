"""The repository's language and layout: plain sentences, names that say what a value is, small files and functions."""

import ast

import pytest

from tests.prose import ROOT, count_packages, tracked_files, vague_names

#: Stilted constructions per 1,000 words that a package may have.
LIMIT = 1.0

MAX_LINES = 400
MAX_FUNCTION_LINES = 60

PYTHON = tracked_files(".py")


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


@pytest.mark.parametrize("path", tracked_files(".py", ".js", ".php", ".sql"))
def test_files_are_small_and_have_captions(path: str) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    if lines and not path.startswith("tests/"):
        first = lines[1] if lines[0].startswith(("#!", "<?php")) else lines[0]
        assert first.lstrip().startswith(('"""', "//", "/*", "--", "#")), "the first line says what the file holds"


def test_functions_are_short() -> None:
    long = []
    for path in PYTHON:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > MAX_FUNCTION_LINES:
                long.append(f"{path}:{node.lineno} {node.name}")
    assert not long


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
