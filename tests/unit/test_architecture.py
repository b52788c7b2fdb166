"""Rules that hold for the whole source: who may import whom, crash points, and what STYLE §20 bans.

Everything is read as a syntax tree, so an import inside a function counts like one at the top.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fault.crash_points import CRASH_POINTS

ROOT = Path(__file__).parents[2]
COMMAND = "services/cli/"

Finding = tuple[int, str]
Check = Callable[[str, ast.Module], Iterator[Finding]]


def sources() -> list[str]:
    """The Python files of the product, relative to the root."""
    found = [
        path.relative_to(ROOT).as_posix()
        for top in ("services", "shared")
        for path in sorted((ROOT / top).rglob("*.py"))
        if "node_modules" not in path.parts
    ]
    assert len(found) > 80, "the sources are not where this test looks"
    return found


@functools.cache
def tree_of(path: str) -> ast.Module:
    """The file as a syntax tree."""
    return ast.parse((ROOT / path).read_text(), path)


def imported(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Every module that a file imports, anywhere in it, also by name. `services.*` stands for a name that is only
    known at run time, `?` for one of which nothing is known."""
    package = path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not path.endswith("/__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(package[: len(package) - level + 1]) if level else ""
                full = ".".join(part for part in (base, module) if part)
                yield node.lineno, full
                for alias in names:  # `from services import api` imports services.api
                    yield node.lineno, f"{full}.{alias.name}"
            case ast.Call(func=func, args=args) if _called(func) in {"import_module", "__import__", "run_module"}:
                yield node.lineno, _text(args[0]) if args else "?"


def _called(func: ast.expr) -> str:
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _text(value: ast.expr) -> str:
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "*" for part in parts)
        case _:
            return "?"


def service_of(module: str) -> str | None:
    """The service that a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "services" and len(parts) > 1 else None


def services_stay_apart(path: str, tree: ast.Module) -> Iterator[Finding]:
    """A service imports itself and shared, shared imports no service. The command imports the launcher, and one
    service's entry by name, and both only inside functions."""
    own = path.split("/")[1] if path.startswith("services/") and path.count("/") > 1 else None
    at_top = {id(node) for node in tree.body}
    top_lines = {node.lineno for node in ast.walk(tree) if id(node) in at_top}
    for line, module in imported(path, tree):
        if module == "?":
            yield line, "imports a module whose name cannot be known"
        if path.startswith(COMMAND):
            lazy = line not in top_lines
            allowed = module == "services.*.__main__" or service_of(module) == "local"
            others = module.split(".")[0] == "services" and service_of(module) not in (None, "cli")
            if others and not (lazy and allowed):
                yield line, f"the command imports {module}"
        elif path.startswith("shared/"):
            if module.split(".")[0] == "services":
                yield line, f"shared imports {module}"
        elif service_of(module) not in (None, own):
            yield line, f"service {own} imports {module}"


CONFINED = {
    "motor": ("shared/adapters/",),
    "pymongo": ("shared/adapters/",),
    "bson": ("shared/adapters/",),
    "sqlite3": ("shared/adapters/",),
    "aiobotocore": ("shared/adapters/",),
    "aioboto3": ("shared/adapters/",),
    "boto3": (),
    "aiokafka": ("shared/bus/", "services/local/broker.py"),
    "faststream": ("shared/bus/",),
}
"""Libraries that only these places may know (DESIGN §3: services know ports, never products)."""


def products_stay_in_adapters(path: str, tree: ast.Module) -> Iterator[Finding]:
    """A product's library is imported by its adapter alone."""
    for line, module in imported(path, tree):
        places = CONFINED.get(module.split(".")[0])
        if places is not None and not path.startswith(places or ("-",)):
            yield line, f"{module} is for {', '.join(places) or 'nobody'}"


def nothing_banned(path: str, tree: ast.Module) -> Iterator[Finding]:
    """STYLE §20."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "eval" | "exec" | "compile" as name)):
                yield node.lineno, f"{name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen" as name)):
                yield node.lineno, f"os.{name}"
            case ast.Call(func=ast.Attribute(attr="utcnow" | "utcfromtimestamp" as name)):
                yield node.lineno, f"naive {name}()"
            case ast.Call(func=ast.Attribute(attr="today", value=owner)) if _called(owner) in ("datetime", "date"):
                yield node.lineno, "naive today()"
            case ast.Call(func=ast.Attribute(attr="now", value=owner), args=[], keywords=[]) if (
                _called(owner) == "datetime"
            ):
                yield node.lineno, "naive datetime.now()"
            case ast.Call(func=ast.Attribute(attr="fromtimestamp"), args=[_], keywords=[]):
                yield node.lineno, "naive fromtimestamp()"
            case ast.Expr(value=ast.Call(func=func)) if _called(func) in ("create_task", "ensure_future"):
                # A task group keeps its tasks; whoever else drops the handle makes an orphan.
                owner = func.value if isinstance(func, ast.Attribute) else None
                if _called(owner) not in ("group", "tasks") if owner is not None else True:
                    yield node.lineno, "orphan create_task"
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "shell" and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                ):
                    yield node.lineno, "shell="
            if _called(node.func) == "create_subprocess_shell":
                yield node.lineno, "create_subprocess_shell"


def findings(check: Check) -> list[str]:
    """What a check has to say about the source as it is."""
    return [f"{path}:{line}: {what}" for path in sources() for line, what in check(path, tree_of(path))]


@pytest.mark.parametrize("check", [services_stay_apart, products_stay_in_adapters, nothing_banned])
def test_source_keeps_the_rule(check: Check) -> None:
    assert findings(check) == []


def crash_points() -> Iterator[tuple[str, str]]:
    """Every call of fault_point with its name, `?` where the name is not a plain text."""
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and _called(node.func) == "fault_point":
                yield f"{path}:{node.lineno}", _text(node.args[0])


def test_every_crash_point_has_its_own_name_and_is_listed() -> None:
    names = Counter(name for _, name in crash_points())
    assert [name for name, count in names.items() if count > 1] == []
    assert set(names) == set(CRASH_POINTS)


def test_crash_points_are_named_after_their_service() -> None:
    wrong = [
        (place, name)
        for place, name in crash_points()
        if not place.startswith(("shared/", f"services/{name.split('.')[0]}"))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (services_stay_apart, "services/trigger/intake.py", "import services.scheduler.app"),
        (services_stay_apart, "services/trigger/intake.py", "def f():\n    from services.api import app"),
        (services_stay_apart, "services/trigger/domain/x.py", "from ...scheduler import orchestrator"),
        (services_stay_apart, "services/trigger/__init__.py", "from ..api import app"),
        (services_stay_apart, "services/api/app.py", "from services import notifier"),
        (services_stay_apart, "services/api/app.py", "def f():\n    importlib.import_module('services.workers.app')"),
        (services_stay_apart, "services/api/app.py", "def f(x):\n    importlib.import_module(f'services.{x}.app')"),
        (services_stay_apart, "services/api/app.py", "def f(x):\n    import_module(x)"),
        (services_stay_apart, "services/local/launcher.py", "def f():\n    from services.api.__main__ import main"),
        (services_stay_apart, "shared/runtime.py", "def f():\n    import services.trigger"),
        (services_stay_apart, "shared/runtime.py", "from services import cli"),
        (services_stay_apart, "services/cli/command.py", "from services.local.launcher import Launcher"),
        (services_stay_apart, "services/cli/command.py", "def f():\n    from services.api.app import build"),
        (services_stay_apart, "services/cli/command.py", "def f():\n    from services.api.__main__ import main"),
        (services_stay_apart, "services/cli/command.py", "import_module(f'services.{x}.__main__')"),
        (products_stay_in_adapters, "shared/state/records.py", "def f():\n    import motor.motor_asyncio"),
        (products_stay_in_adapters, "services/api/app.py", "from aiokafka import AIOKafkaProducer"),
        (products_stay_in_adapters, "services/local/launcher.py", "from faststream.kafka import KafkaBroker"),
        (products_stay_in_adapters, "shared/adapters/s3/store.py", "import boto3"),
        (nothing_banned, "shared/x.py", "print('x')"),
        (nothing_banned, "shared/x.py", "eval('1')"),
        (nothing_banned, "shared/x.py", "subprocess.run(cmd, shell=True)"),
        (nothing_banned, "shared/x.py", "subprocess.run(cmd, shell=flag)"),
        (nothing_banned, "shared/x.py", "async def f():\n    await asyncio.create_subprocess_shell('ls')"),
        (nothing_banned, "shared/x.py", "datetime.now()"),
        (nothing_banned, "shared/x.py", "datetime.datetime.now()"),
        (nothing_banned, "shared/x.py", "datetime.utcnow()"),
        (nothing_banned, "shared/x.py", "datetime.fromtimestamp(5)"),
        (nothing_banned, "shared/x.py", "async def f():\n    asyncio.create_task(g())"),
    ],
)
def test_a_breach_is_found(check: Check, path: str, source: str) -> None:
    assert list(check(path, ast.parse(source)))


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (services_stay_apart, "services/trigger/intake.py", "from services.trigger.domain.matching import match"),
        (services_stay_apart, "services/trigger/domain/x.py", "from ..intake import Intake\nfrom shared import ids"),
        (
            services_stay_apart,
            "services/cli/command.py",
            "def f(x):\n    import_module(f'services.{x}.__main__').main()",
        ),
        (services_stay_apart, "services/cli/command.py", "def f():\n    from services.local.launcher import Launcher"),
        (services_stay_apart, "services/local/service_specs.py", "argv = ['-m', 'services.api']"),
        (products_stay_in_adapters, "services/local/broker.py", "from aiokafka.client import AIOKafkaClient"),
        (nothing_banned, "shared/x.py", "datetime.now(UTC)\nclock.now()\nrun(cmd, shell=False)"),
        (nothing_banned, "shared/x.py", "async def f(group):\n    group.create_task(g())\n    x = create_task(h())"),
    ],
)
def test_what_is_allowed_passes(check: Check, path: str, source: str) -> None:
    assert list(check(path, ast.parse(source))) == []
