"""Hold the architecture: rooms on floors, imports only downward, heavy libraries in their place.

A room is a package or a module right below ``flask_irl``. Imports inside functions and under
TYPE_CHECKING count like any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "flask_irl"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"

FLOORS: dict[int, tuple[str, ...]] = {
    1: ("errors", "stored", "behaviour"),
    2: ("api_keys", "limits", "model"),
    3: ("campaigns", "config", "telemetry"),
    4: ("addresses", "stores"),
    5: ("verdicts", "training"),
    6: ("limiter",),
    7: ("operations", "replay", "web"),
    8: ("admin", "cli", "control"),
    9: ("extension", "compat"),
}
"""Rooms by floor, from the ground up; ``docs/architecture.md`` says what each holds."""

FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
ROOF = max(FLOORS) + 1
"""Floor of ``flask_irl`` itself, which only hands on names of the rooms."""
MAX_FLOORS = 10
MAX_LINES = 300

PURE_ROOMS = {"errors", "stored", "api_keys", "limits", "behaviour", "model"}
SHARED_BY_THREADS = {"flask_irl.behaviour.buffer"}
FLASK_ROOMS = {"web", "admin", "cli", "control", "extension", "compat"}
FLASK = {"flask", "flask_smorest"}
OUTER_WORLD = {"redis", "apscheduler", "socket", "threading"}
READS_AN_ADDRESS = {"socket.AF_INET", "socket.inet_pton"}
"""The one function of that world that reaches for nothing in it."""

IMPORT_FUNCTIONS = ("import_module", "__import__")


def read_package(root: Path, package: str = PACKAGE) -> dict[str, set[str]]:
    """Read the imports of each module of a package, by full names."""
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


def room_of(module: str) -> str:
    """Name the room of a module of the package; empty for the package itself."""
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def floor_of(module: str) -> int | None:
    """Give the floor of a module's room, None if the table has no such room."""
    return FLOOR_OF.get(room_of(module)) if room_of(module) else ROOF


def upward_imports(imports: Mapping[str, set[str]]) -> list[str]:
    """List the imports of a room that isn't on a lower floor, as ``importer -> imported``."""
    return [
        f"{module} ({floor_of(module)}) -> {target} ({floor_of(target)})"
        for module, targets in imports.items()
        for target in sorted(targets & imports.keys())
        if room_of(module) != room_of(target)
        and (floor_of(target) or 0) >= (floor_of(module) or ROOF)
    ]


def cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """Find modules that import each other in a circle, the first one again at the end."""
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


def importers(imports: Mapping[str, set[str]], libraries: set[str]) -> set[str]:
    """List the modules that import one of these libraries or of their submodules."""
    return {
        module
        for module, targets in imports.items()
        if libraries & {target.partition(".")[0] for target in targets}
    }


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
    """Find the module of an imported name; names of other packages stay."""
    name = target
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or target


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return read_package(ROOT)


def test_every_room_has_a_floor(imports: dict[str, set[str]]) -> None:
    assert {room_of(module) for module in imports} - {""} == set(FLOOR_OF)


def test_there_are_at_most_ten_floors_with_the_roof() -> None:
    assert ROOF <= MAX_FLOORS


def test_the_architectures_page_has_every_room_on_its_floor() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)(?:/|\.py)` \|", PAGE.read_text(), re.MULTILINE)
    assert {room: int(floor) for floor, room in rows} == FLOOR_OF


def test_the_architectures_page_names_only_modules_that_there_are() -> None:
    modules = set(re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?)`", PAGE.read_text()))
    assert len(modules) > len(FLOOR_OF)
    assert {name for name in modules if not _exists(name)} == set()


def _exists(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / PACKAGE / name).exists()


def test_rooms_import_only_from_lower_floors(imports: dict[str, set[str]]) -> None:
    assert upward_imports(imports) == []


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert " -> ".join(cycle(imports)) == ""


def test_no_module_is_longer_than_a_reader_holds() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / PACKAGE).rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_only_forests_imports_scikit_learn(imports: dict[str, set[str]]) -> None:
    assert importers(imports, {"sklearn", "scipy", "joblib"}) == {"flask_irl.training.forests"}


def test_only_addresses_imports_maxminddb(imports: dict[str, set[str]]) -> None:
    assert importers(imports, {"maxminddb"}) == {"flask_irl.addresses.file"}


def test_only_the_edge_imports_flask(imports: dict[str, set[str]]) -> None:
    found = importers(imports, FLASK)
    assert {module for module in found if room_of(module) not in FLASK_ROOMS} == set()


def test_pure_rooms_know_no_outer_world(imports: dict[str, set[str]]) -> None:
    reach = {module: targets - READS_AN_ADDRESS for module, targets in imports.items()}
    found = importers(reach, OUTER_WORLD)
    assert {module for module in found if room_of(module) in PURE_ROOMS} == SHARED_BY_THREADS


@pytest.mark.parametrize(
    "source",
    [
        "from flask_irl.limiter.limiter import Limiter",
        "import flask_irl.limiter.limiter as engine",
        "from flask_irl.limiter import limiter",
        "from ..limiter.limiter import Limiter",
        "from ..limiter import limiter",
        "def late():\n    from flask_irl.limiter.limiter import Limiter",
        "if TYPE_CHECKING:\n    from flask_irl.limiter.limiter import Limiter",
        "importlib.import_module('flask_irl.limiter.limiter')",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path: Path, source: str) -> None:
    planted = _plant(
        tmp_path,
        {
            "__init__": "",
            "limiter/__init__": "",
            "limiter/limiter": "",
            "limits/__init__": "",
            "limits/limit": source,
        },
    )
    assert upward_imports(planted) == [
        "flask_irl.limits.limit (2) -> flask_irl.limiter.limiter (6)"
    ]


def test_importing_the_package_itself_is_upward(tmp_path: Path) -> None:
    planted = _plant(tmp_path, {"__init__": "", "cli": "from flask_irl import IntelligentLimiter"})
    assert upward_imports(planted) == ["flask_irl.cli (8) -> flask_irl (10)"]


def test_a_room_on_the_same_floor_is_not_imported(tmp_path: Path) -> None:
    planted = _plant(
        tmp_path, {"admin/__init__": "from flask_irl.cli import irl", "cli/__init__": ""}
    )
    assert upward_imports(planted) == ["flask_irl.admin (8) -> flask_irl.cli (8)"]


def test_a_circle_through_a_function_is_found(tmp_path: Path) -> None:
    planted = _plant(
        tmp_path,
        {
            "__init__": "",
            "container": "from flask_irl.model import Model",
            "model": "from flask_irl import policy",
            "policy": "def late():\n    import flask_irl.container",
        },
    )
    circle = ["flask_irl.container", "flask_irl.model", "flask_irl.policy", "flask_irl.container"]
    assert cycle(planted) == circle


def test_a_library_is_found_by_its_submodules(tmp_path: Path) -> None:
    planted = _plant(
        tmp_path,
        {"child": "def late():\n    from sklearn.ensemble import IsolationForest", "blob": ""},
    )
    assert importers(planted, {"sklearn"}) == {"flask_irl.child"}


def test_a_room_outside_the_table_has_no_floor() -> None:
    assert floor_of("flask_irl.stores.redis.wire") == 4
    assert floor_of("flask_irl.limiter_helpers") is None


def _plant(root: Path, sources: Mapping[str, str]) -> dict[str, set[str]]:
    for name, source in sources.items():
        path = root / PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return read_package(root)
