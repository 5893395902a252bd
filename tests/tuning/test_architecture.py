"""What holds for all of the code: sizes that can be read, and nothing that runs what a user wrote in our own process.

Which part may import which is held by import-linter (`make check`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for folder in ("hpt_web", "tuning", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
PAGES = [path for path in sorted((ROOT / "frontend" / "src").rglob("*.ts*")) if not path.name.endswith(".d.ts")]
MOST_LINES, MOST_FUNCTION_LINES = 450, 60
# Loading these runs code that stands in the data (security: no unsafe deserialisation; Redis and files hold JSON only).
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "torch.load", "tarfile.extractall"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES + PAGES, ids=name)
def test_files_can_be_read(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= MOST_LINES, f"{name(path)} has {lines} lines; where is its seam?"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_can_be_read(path: Path) -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= MOST_FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("path", [path for path in SOURCES if "tests" not in path.parts], ids=name)
def test_nothing_runs_what_data_says(path: Path) -> None:
    assert not list(unsafe(ast.parse(path.read_text("utf-8"))))


def unsafe(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE_MODULES:
            yield f"from {node.module} import"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            shell = any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
            if called in UNSAFE_CALLS or called.endswith(".extractall") or shell:
                yield f"line {node.lineno}: {called}"


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "eval(x)", "archive.extractall(p)", "subprocess.run(c, shell=True)"],
)
def test_the_rule_sees(text: str) -> None:
    assert list(unsafe(ast.parse(text)))
