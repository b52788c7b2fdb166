"""The registry of node kinds, and the kind that makes nothing."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from services.workers.nodes import registry
from services.workers.nodes.errors import UnknownKind
from services.workers.nodes.noop import Noop
from shared.model.failure import ErrCode, InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.kinds import known_kinds, traits
from shared.model.pipeline import RULES
from shared.mps.presets import PARAMETERS
from tests.integration.media.context import FakeContext, task_for


class Sepia(Noop):
    """A third party's kind."""

    name = "sepia"


class Impostor(Noop):
    """Takes a name that is ours."""

    name = "transcode"


def test_every_kind_that_ships_is_registered_on_its_lane() -> None:
    kinds = registry.node_kinds(Path("/bin/false"))
    assert set(kinds) == known_kinds()
    assert all(traits(name).lane is kind.lane for name, kind in kinds.items())
    # Rules are decided with the graph: no worker has them.
    assert all(kinds[name].params is model for name, model in PARAMETERS.items() if name != RULES)
    assert registry.kind_of(kinds, "probe").name == "probe"
    with pytest.raises(UnknownKind, match="sepia"):
        registry.kind_of(kinds, "sepia")


@pytest.mark.parametrize(("factory", "error"), [("make_sepia", None), ("make_impostor", ValueError)])
def test_other_packages_add_kinds(monkeypatch: pytest.MonkeyPatch, factory: str, error: type[Exception] | None) -> None:
    entry = EntryPoint("x", f"{__name__}:{factory}", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    if error:
        with pytest.raises(error, match="transcode"):
            registry.node_kinds(Path("/bin/false"))
    else:
        assert "sepia" in registry.node_kinds(Path("/bin/false"))


def make_sepia(_: Any) -> Sepia:
    return Sepia()


def make_impostor(_: Any) -> Impostor:
    return Impostor()


@pytest.mark.parametrize(
    ("wanted", "error", "code"),
    [
        ("SourceFileError.NoVideoMedia", SourceFileError, ErrCode.NO_VIDEO),
        ("InvalidInput", InvalidInput, ErrCode.INVALID_INPUT),
        ("InternalError", InternalError, ErrCode.INTERNAL),
        ("anything", InternalError, ErrCode.INTERNAL),
    ],
)
async def test_noop_fails_as_told(tmp_path: Path, wanted: str, error: type[NodeError], code: ErrCode) -> None:
    with pytest.raises(error) as failed:
        await Noop().execute(FakeContext(task_for("noop", {"Fail": wanted}), tmp_path, tmp_path))
    assert failed.value.failure.code is code


async def test_noop_makes_nothing(tmp_path: Path) -> None:
    outcome = await Noop().execute(FakeContext(task_for("noop", {"SleepMs": 1}), tmp_path, tmp_path))
    assert outcome.files == ()
    with pytest.raises(InvalidInput, match="Colour"):
        await Noop().execute(FakeContext(task_for("noop", {"Colour": 1}), tmp_path, tmp_path))
