"""What may not be in a room and cannot be said as an import contract (the table of the style guide)."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = REPOSITORY / "services"
SQL = re.compile(r"^\s*(SELECT\s.+\sFROM\s|INSERT INTO\s|UPDATE\s\S+\s+SET\s|DELETE FROM\s|WITH\s\S+\s+AS\s*\()", re.S)
KERNEL_LIBRARIES = {"numpy", "cv2", "numba"}
UNREPEATABLE = {"now", "utcnow", "today", "time", "monotonic", "uuid1", "uuid4", "token_bytes", "token_hex"}
OUTSIDE_WORLD = {"open", "print", "input"}
MOST_HANDLER_LINES = 15


def files(room: str) -> list[Path]:
    """Every file of that room, in every service."""
    return sorted([*SERVICES.glob(f"*/{room}.py"), *SERVICES.glob(f"*/{room}/**/*.py")])


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def called(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a call is made on (a bare name, or empty) and what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield "", node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.value.id if isinstance(node.func.value, ast.Name) else "?", node.func.attr


def domain_offences(tree: ast.AST) -> list[str]:
    """The standard library and its own room; no async, no clock, no chance, no input or output."""
    found = [f"imports {name}" for name in imported(tree) if not _of_the_domain(name)]
    asynchronous = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found += ["is asynchronous" for node in ast.walk(tree) if isinstance(node, asynchronous)]
    for owner, name in called(tree):
        if name in UNREPEATABLE and owner in {"datetime", "date", "time", "uuid", "secrets", ""}:
            found.append(f"calls {owner}.{name}()")
        if owner == "random" and name != "Random":
            found.append(f"calls random.{name}() unseeded")
        if not owner and name in OUTSIDE_WORLD:
            found.append(f"calls {name}()")
    return found


def _of_the_domain(name: str) -> bool:
    first, *rest = name.split(".")
    return first in sys.stdlib_module_names or (first == "services" and len(rest) > 1 and rest[1] == "domain")


def kernel_offences(tree: ast.AST) -> list[str]:
    """Numbers in, numbers out."""
    found = []
    for name in imported(tree):
        first, *rest = name.split(".")
        own = first == "services" and len(rest) > 1 and rest[1] == "kernels"
        if not (
            first in sys.stdlib_module_names or first in KERNEL_LIBRARIES or own or name.startswith("shared.vision")
        ):
            found.append(f"imports {name}")
    files_and_state = {"imread", "imwrite", "VideoCapture", "load", "save", "fromfile", "tofile", "open"}
    found += [f"calls {owner}.{name}()" for owner, name in called(tree) if name in files_and_state]
    return found


def handler_offences(tree: ast.AST) -> list[str]:
    """Short, and without a broad except that would swallow an event."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > MOST_HANDLER_LINES:
                found.append(f"{node.name} has {lines} lines")
            if node.name != "register" and ast.get_docstring(node) is None and not node.name.startswith("_"):
                found.append(f"{node.name} does not say what it does with a duplicate and a stale event")
        if isinstance(node, ast.Try):
            found.append("has a try")
    return found


def sql_offences(tree: ast.AST) -> list[str]:
    """Statements of SQL as text."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [f"has SQL: {text.strip()[:40]}" for text in texts if SQL.match(text)]


def built_sql_offences(tree: ast.AST) -> list[str]:
    """SQL put together from strings."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and SQL.match(_beginning(node) + " x FROM "):
            found.append(f"line {node.lineno} builds SQL")
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and SQL.match(str(node.left.value)):
            found.append(f"line {node.lineno} builds SQL")
    return found


def _beginning(text: ast.JoinedStr) -> str:
    first = text.values[0] if text.values else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def everywhere_but_stores() -> list[Path]:
    stores = set(files("store"))
    return [path for path in sorted(SERVICES.rglob("*.py")) if path not in stores]


Check = Callable[[ast.AST], list[str]]
RULES: dict[str, tuple[Check, Callable[[], list[Path]], str]] = {
    "domain": (domain_offences, lambda: files("domain"), "import time\nstarted = time.monotonic()"),
    "domain-imports": (domain_offences, lambda: files("domain"), "from shared.contracts import Tier"),
    "domain-async": (domain_offences, lambda: files("domain"), "async def f() -> None: ..."),
    "kernels": (kernel_offences, lambda: files("kernels"), "from PIL import Image"),
    "kernels-files": (kernel_offences, lambda: files("kernels"), "import cv2\ncv2.imread('a')"),
    "handlers": (handler_offences, lambda: files("handlers"), "async def said(event):\n    pass"),
    "handlers-try": (handler_offences, lambda: files("handlers"), "try:\n    f()\nexcept Exception:\n    pass"),
    "sql-in-stores": (sql_offences, everywhere_but_stores, "x = '''SELECT id FROM scenes'''"),
    "sql-whole": (built_sql_offences, lambda: files("store"), "x = f'SELECT id FROM {table}'"),
}
"""Rule to its check, the files it holds for, and the least code that breaks it."""


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_holds(rule: str) -> None:
    check, places, _ = RULES[rule]
    offences = {
        str(path.relative_to(REPOSITORY)): check(ast.parse(path.read_text(encoding="utf-8"))) for path in places()
    }
    assert offences, "the rule looks at no file"
    assert {path: found for path, found in offences.items() if found} == {}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_sees_what_breaks_it(rule: str) -> None:
    check, _, breaking = RULES[rule]
    assert check(ast.parse(breaking)) != []


def test_nothing_is_called_utils() -> None:
    code = (path for folder in ("services", "shared", "deploy") for path in (REPOSITORY / folder).rglob("*.py"))
    assert [path.name for path in code if path.stem in {"utils", "util", "helpers", "common", "misc"}] == []


def test_nobody_imports_from_conftest() -> None:
    importers = [
        path.name
        for path in (REPOSITORY / "tests").rglob("*.py")
        if any(name.split(".")[-1] == "conftest" for name in imported(ast.parse(path.read_text(encoding="utf-8"))))
    ]
    assert importers == []


def test_the_names_of_test_files_are_unique() -> None:
    names = sorted(path.name for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert names == sorted(set(names))


def test_every_service_starts_in_three_lines() -> None:
    for path in SERVICES.glob("*/__main__.py"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert len(lines) <= 3, path
