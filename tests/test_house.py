"""The house keeps its order: which room may import which, what a light start may reach, what must not be left lying about.

The order of the rooms is read from the table in CONTRIBUTING.md, so that the two cannot drift.
"""

from __future__ import annotations

import ast
import graphlib
import itertools
import json
import re
import socket
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fingen"
HEAVY = ("torch", "transformers", "datasets", "pymupdf", "anthropic", "openai", "pydantic", "jinja2", "rich")
CLI_TOP = {"__init__", "errors", "config", "cli"}  # what cli may import outside of command bodies
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow"}  # where it differs and is not installed


def parse_table() -> dict[str, list[str]]:
    """The room table of CONTRIBUTING.md: room -> the heavy libraries it may import, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {room: re.findall(r"\w+", heavy) for room, heavy in rows}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, by dotted name."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["fingen", *path.relative_to(PACKAGE).with_suffix("").parts]
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = parse(path)
    return names


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def walk(tree: ast.AST, *, bodies: bool) -> Iterator[ast.AST]:
    """Every node; without `bodies` only what runs at import: no function bodies, nothing for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if not bodies:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
        yield node
        yield from walk(node, bodies=bodies)


def imports(tree: ast.AST, *, bodies: bool = True) -> Iterator[str]:
    """Dotted names that are imported. `from a import b` is a.b, which may be a module or something in one."""
    for node in walk(tree, bodies=bodies):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import, line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def house_imports(module: str, *, bodies: bool = True) -> set[str]:
    """The package's own modules that `module` imports."""
    found = set()
    bodies = (
        bodies and module != "fingen"
    )  # whose imports are for type checkers: its names are loaded when they are asked for
    for name in imports(modules()[module], bodies=bodies):
        if name.partition(".")[0] == "fingen":
            while name not in modules():
                name = name.rpartition(".")[0]
            found.add(name)
    return found


def test_the_table_covers_every_room():
    assert list(parse_table()), "no table in CONTRIBUTING.md"
    assert {room(module) for module in modules()} == set(parse_table())


def test_the_order_of_the_rooms_is_kept():
    order = list(parse_table())
    upward = [
        f"{module} imports {other}"
        for module in modules()
        for other in house_imports(module)
        if order.index(room(other)) > order.index(room(module))
    ]

    assert not upward


def test_the_package_itself_imports_none_of_its_rooms():
    assert not house_imports("fingen")


def test_no_room_has_the_name_of_something_public():
    """A room takes its place in the package as soon as it is imported."""
    public = ast.literal_eval(next(
        node.value for node in modules()["fingen"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ))  # fmt: skip

    assert not set(public) & {room(module) for module in modules()}


def test_there_are_no_import_cycles():
    graph = {module: house_imports(module) for module in modules()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as e:
        pytest.fail(" -> ".join(e.args[1]))


def test_cli_imports_stages_only_in_command_bodies():
    early = [
        f"{module} imports {other}"
        for module in modules()
        if room(module) == "cli"
        for other in house_imports(module, bodies=False)
        if room(other) not in CLI_TOP
    ]

    assert not early


def test_import_of_cli_reaches_nothing_heavy():
    heavy = sorted({*HEAVY, *(library for row in parse_table().values() for library in row)})
    code = "import fingen.cli, json, sys; print(json.dumps([n for n in json.loads(sys.argv[1]) if n in sys.modules]))"
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(heavy)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert json.loads(run.stdout) == []


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_no_debugging_print_is_left():
    left = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("fingen", "tests", "docs")
        if not {"benchmarks", "device"} & {*path.relative_to(ROOT).parts}  # they print what they measured
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "breakpoint")
    ]
    left += [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "prompts").rglob("*"))
        if path.is_file() and "print(" in path.read_text(encoding="utf-8")
    ]

    assert not left


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in caught)


def test_no_broad_except_swallows():
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("fingen", "tests", "docs", "raw")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
        if not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]

    assert not broad


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*, dev: bool) -> set[str]:
    """Distributions that pyproject.toml declares, for the package or for its development too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(name for extra in extras if dev or extra != "dev" for name in extras[extra])]
    return {normalized(re.split(r"[^\w.-]", requirement)[0]) for requirement in listed}


def foreign_imports(*folders: str) -> set[str]:
    """Top-level names that are neither the standard library's nor the project's own."""
    files = sources(*folders)
    helpers = [path for path in files if not path.is_relative_to(PACKAGE)]
    own = {"fingen", *(path.stem for path in helpers), *(path.parent.name for path in helpers)}
    names = {name.partition(".")[0] for path in files for name in imports(parse(path))}
    return names - own - sys.stdlib_module_names


@pytest.mark.parametrize(("folders", "dev"), [(["fingen"], False), (["tests", "raw"], True)], ids=["package", "tests"])
def test_what_is_imported_is_declared(folders: list[str], dev: bool):
    installed = packages_distributions()
    undeclared = {}
    for name in foreign_imports(*folders):
        distributions = {normalized(d) for d in installed.get(name, [DISTRIBUTIONS.get(name, name)])}
        if not distributions & declared(dev=dev):
            undeclared[name] = distributions

    assert not undeclared


def test_the_network_is_shut():
    with socket.socket() as outside, pytest.raises(RuntimeError, match="tried to reach"):
        outside.connect(("192.0.2.1", 80))  # a documentation address, RFC 5737
    with pytest.raises(RuntimeError, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_no_two_words_of_a_list_have_run_together():
    """A word list that lost a space, a comma or a bar: the fused word matches nothing, and neither do the two."""
    fused = []
    for path in sources(
        "fingen/quality", "fingen/teachers/offline", "fingen/tasks", "fingen/documents", "fingen/scoring"
    ):
        texts = [node.value for node in ast.walk(parse(path)) if isinstance(node, ast.Constant)]
        lists = [text for text in texts if isinstance(text, str) and re.search(r"\w\|\w|^\w+( \w+){9}", text)]
        words = {word for text in lists for word in re.findall(r"(?<![\w\]])[a-z]{4,}(?![\w(\[?])", text)}
        fused += [
            f"{path.name}: {word}"
            for word in words
            for at in range(4, len(word) - 3)
            if {word[:at], word[at:]} <= words
        ]

    assert not fused


def test_no_two_strings_are_joined_in_the_middle_of_a_word():
    joined = []
    for path in sources("fingen"):
        with path.open("rb") as file:
            tokens = [
                token for token in tokenize.tokenize(file.readline) if token.type not in (tokenize.NL, tokenize.COMMENT)
            ]
        for first, second in itertools.pairwise(tokens):
            if first.type == second.type == tokenize.STRING:
                ends = first.string.rstrip("\"'")[-1:] + second.string.lstrip("rRbBfF").lstrip("\"'")[:1]
                joined += [f"{path.name}:{second.start[0]}"] if re.fullmatch(r"\w\w", ends) else []

    assert not joined
