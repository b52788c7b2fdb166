"""The tree of errors."""

from __future__ import annotations

import importlib
import pkgutil
import re

import services
import shared
from shared import errors


def test_tree_names_every_error_at_its_module() -> None:
    named = set(re.findall(r"^├── (\S+)|^└── (\S+)", errors.__doc__ or "", re.MULTILINE))
    for path in (first or second for first, second in named):
        module, _, name = path.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), name), errors.ReelwayError), path
    for package in (shared, services):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    own_tree = ("services.local.errors",)
    found = {error for error in _below(errors.ReelwayError) if error.__module__.startswith(("shared.", "services."))}
    missing = {
        error.__name__
        for error in found
        if error.__module__ not in own_tree and not re.search(rf"\b{error.__name__}\b", errors.__doc__ or "")
    }
    assert not missing


def _below(kind: type[Exception]) -> set[type[Exception]]:
    return {below for child in kind.__subclasses__() for below in {child, *_below(child)}}
