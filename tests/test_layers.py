"""Imports inside flask_irl go downward, never in a circle, and heavy libraries stay in their place.

Imports inside functions and under TYPE_CHECKING count like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "flask_irl"
ROOT = Path(__file__).parents[1]

LAYERS = {
    # 1: the words
    "flask_irl.errors": 1,
    "flask_irl.limit": 1,
    "flask_irl.options": 1,
    "flask_irl.overrides": 1,
    "flask_irl.records": 1,
    # 2: pure functions of them
    "flask_irl.attacks": 2,
    "flask_irl.blob": 2,
    "flask_irl.calibration": 2,
    "flask_irl.decisions": 2,
    "flask_irl.detectors": 2,
    "flask_irl.explain": 2,
    "flask_irl.features": 2,
    "flask_irl.judge": 2,
    "flask_irl.keys": 2,
    "flask_irl.lists": 2,
    "flask_irl.model": 2,
    "flask_irl.plans": 2,
    "flask_irl.policy": 2,
    "flask_irl.profile": 2,
    "flask_irl.rows": 2,
    "flask_irl.rules": 2,
    "flask_irl.sentences": 2,
    "flask_irl.settings": 2,
    "flask_irl.site": 2,
    "flask_irl.strategies": 2,
    # 3: input and output
    "flask_irl.log": 3,
    "flask_irl.stores": 3,
    # 4: the engine
    "flask_irl.background": 4,
    "flask_irl.backlog": 4,
    "flask_irl.breaker": 4,
    "flask_irl.engine": 4,
    "flask_irl.fit": 4,
    "flask_irl.forests": 4,
    "flask_irl.guard": 4,
    "flask_irl.lessons": 4,
    "flask_irl.limiter": 4,
    "flask_irl.listener": 4,
    "flask_irl.metrics": 4,
    "flask_irl.operations": 4,
    "flask_irl.profiler": 4,
    "flask_irl.rankings": 4,
    "flask_irl.refusals": 4,
    "flask_irl.trainer": 4,
    "flask_irl.troubles": 4,
    # 5: the edge
    "flask_irl.admin": 5,
    "flask_irl.ahead": 5,
    "flask_irl.app_state": 5,
    "flask_irl.cli": 5,
    "flask_irl.extension": 5,
    "flask_irl.front": 5,
    "flask_irl.key_funcs": 5,
    "flask_irl.marks": 5,
    "flask_irl.responses": 5,
    "flask_irl.routing": 5,
    "flask_irl.replay": 5,
}
"""Layer of a module and of all modules below it; the longest name that fits decides."""

TOP_LAYER = 6
"""Of ``flask_irl`` itself, which only hands on names of the others."""

EDGE_LAYER = 5
PURE_LAYER = 2
FLASK = {"flask", "flask_smorest"}
OUTER_WORLD = {"redis", "apscheduler", "socket", "threading"}
READS_AN_ADDRESS = {"socket.AF_INET", "socket.inet_pton"}
"""The one function of that world that reaches for nothing in it."""

IMPORT_FUNCTIONS = ("import_module", "__import__")


def read_package(root: Path, package: str = PACKAGE) -> dict[str, set[str]]:
    """What each module of a package imports, by full names; a package's ``__init__`` is itself."""
    sources = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        sources[name] = (path.read_text(encoding="utf-8"), is_package)
    return {
        name: {_module_of(target, sources) for target in _targets(ast.parse(source), name, pack)}
        for name, (source, pack) in sources.items()
    }


def layer_of(module: str) -> int | None:
    """The layer that the table gives a module, None if it gives none."""
    if module == PACKAGE:
        return TOP_LAYER
    while module:
        if module in LAYERS:
            return LAYERS[module]
        module = module.rpartition(".")[0]
    return None


def upward_imports(imports: Mapping[str, set[str]]) -> list[str]:
    """The imports of a module in a higher layer, as ``importer (n) -> imported (m)``."""
    found = []
    for module, targets in imports.items():
        for target in sorted(targets & imports.keys()):
            here, there = layer_of(module), layer_of(target)
            if here is not None and there is not None and there > here:
                found.append(f"{module} ({here}) -> {target} ({there})")
    return found


def cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; else empty."""
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(imports[module] & imports.keys() - {module}):
            found = follow(target, [*path, module])
            if found:
                return found
        done.add(module)
        return []

    return next((found for module in imports if (found := follow(module, []))), [])


def importers(imports: Mapping[str, set[str]], libraries: set[str]) -> list[str]:
    """The modules that import one of these libraries or of their submodules."""
    return [
        module
        for module, targets in imports.items()
        if libraries & {target.partition(".")[0] for target in targets}
    ]


def _targets(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                above = package[: len(package) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            argument = node.args[0]
            if name in IMPORT_FUNCTIONS and isinstance(argument, ast.Constant):
                yield str(argument.value)


def _module_of(target: str, modules: Mapping[str, object]) -> str:
    """``flask_irl.limit`` for ``flask_irl.limit.Limit``; names of other packages stay."""
    name = target
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or target


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return read_package(ROOT)


def test_every_module_has_a_layer(imports: dict[str, set[str]]) -> None:
    missing = [module for module in imports if layer_of(module) is None]
    assert not missing, f"give these a layer in LAYERS: {', '.join(missing)}"


def test_imports_go_to_the_same_or_a_lower_layer(imports: dict[str, set[str]]) -> None:
    assert upward_imports(imports) == []


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert " -> ".join(cycle(imports)) == ""


def test_only_forests_imports_scikit_learn(imports: dict[str, set[str]]) -> None:
    assert set(importers(imports, {"sklearn", "scipy", "joblib"})) == {"flask_irl.forests"}


def test_only_the_edge_imports_flask(imports: dict[str, set[str]]) -> None:
    found = importers(imports, FLASK)
    assert [module for module in found if (layer_of(module) or EDGE_LAYER) < EDGE_LAYER] == []


def test_words_and_pure_functions_know_no_outer_world(imports: dict[str, set[str]]) -> None:
    reach = {module: targets - READS_AN_ADDRESS for module, targets in imports.items()}
    found = importers(reach, OUTER_WORLD)
    assert [module for module in found if (layer_of(module) or EDGE_LAYER) <= PURE_LAYER] == []


@pytest.mark.parametrize(
    "source",
    [
        "from flask_irl.limiter import Limiter",
        "import flask_irl.limiter as engine",
        "from flask_irl import limiter",
        "from .limiter import Limiter",
        "from . import limiter",
        "def late():\n    from flask_irl.limiter import Limiter",
        "if TYPE_CHECKING:\n    from flask_irl.limiter import Limiter",
        "importlib.import_module('flask_irl.limiter')",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path: Path, source: str) -> None:
    planted = _plant(tmp_path, {"__init__": "", "limiter": "", "limit": source})
    assert upward_imports(planted) == ["flask_irl.limit (1) -> flask_irl.limiter (4)"]


def test_importing_the_package_itself_is_upward(tmp_path: Path) -> None:
    planted = _plant(tmp_path, {"__init__": "", "cli": "from flask_irl import IntelligentLimiter"})
    assert upward_imports(planted) == ["flask_irl.cli (5) -> flask_irl (6)"]


def test_a_relative_import_inside_a_package_is_found(tmp_path: Path) -> None:
    planted = _plant(tmp_path, {"stores/__init__": "from ..limiter import Limiter", "limiter": ""})
    assert upward_imports(planted) == ["flask_irl.stores (3) -> flask_irl.limiter (4)"]


def test_a_circle_through_a_function_is_found(tmp_path: Path) -> None:
    planted = _plant(
        tmp_path,
        {
            "blob": "from flask_irl.model import Model",
            "model": "from flask_irl import policy",
            "policy": "def late():\n    import flask_irl.blob",
        },
    )
    circle = ["flask_irl.blob", "flask_irl.model", "flask_irl.policy", "flask_irl.blob"]
    assert cycle(planted) == circle


def test_a_library_is_found_by_its_submodules(tmp_path: Path) -> None:
    planted = _plant(
        tmp_path,
        {"fit": "def late():\n    from sklearn.ensemble import IsolationForest", "blob": ""},
    )
    assert importers(planted, {"sklearn"}) == ["flask_irl.fit"]


def test_a_module_outside_the_table_has_no_layer() -> None:
    assert layer_of("flask_irl.stores.redis") == 3
    assert layer_of("flask_irl.limiter_helpers") is None


def _plant(root: Path, sources: Mapping[str, str]) -> dict[str, set[str]]:
    for name, source in sources.items():
        path = root / PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return read_package(root)
