"""Every member of the contract that we do not do, found in the models themselves: each is refused by its name when it
asks for something, and taken while it is off. What is refused by value is in `test_parameters.py`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET, NotYet
from shared.mps.presets import CATALOGUES, PARAMETERS
from shared.mps.transcode import OverrideTranscodeParameter

_REFUSES = get_args(NotYet)[1]


def _models() -> list[type[MpsModel]]:
    """All models that parameters and templates are made of."""
    found: dict[type[MpsModel], None] = {}
    waiting: list[Any] = [*PARAMETERS.values(), *(catalogue.model for catalogue in CATALOGUES.values())]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, MpsModel):
            if one not in found:
                found[one] = None
                waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += get_args(one)
    return sorted(found, key=lambda model: model.__name__)


def _found() -> Iterator[Any]:
    for model in _models():
        for name, field in model.model_fields.items():
            if _REFUSES in field.metadata:
                member = field.alias or name
                yield pytest.param(model, member, id=f"{model.__name__}.{member}")


REFUSED = list(_found())


def test_the_search_goes_to_the_bottom() -> None:
    names = {model.__name__ for model in _models()}
    assert {"TranscodeTaskInput", "VideoTemplateInfo", "SegmentSpecificInfo", "WatermarkTemplate"} <= names
    assert len(REFUSED) >= 8
    assert OverrideTranscodeParameter in _models()


@pytest.mark.parametrize(("model", "member"), REFUSED)
@pytest.mark.parametrize("value", [1, "on", ["x"], {"Switch": "ON"}, [{"Type": "COS"}], True], ids=repr)
def test_a_member_that_we_do_not_do_is_refused_by_name(model: type[MpsModel], member: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({member: value})
    rules = [problem["msg"] for problem in refused.value.errors() if problem["loc"] == (member,)]
    assert [rule.removeprefix("Value error, ") for rule in rules] == [NOT_YET]


@pytest.mark.parametrize(("model", "member"), REFUSED)
@pytest.mark.parametrize("value", [None, 0, "", "0", "off", "False", [], {}, {"Switch": "OFF"}, [{"A": 0}]], ids=repr)
def test_it_is_taken_while_it_is_off(model: type[MpsModel], member: str, value: Any) -> None:
    with contextlib.suppress(ValidationError):
        model.model_validate({member: value})
        return
    with pytest.raises(ValidationError) as refused:
        model.model_validate({member: value})
    assert all(problem["loc"] != (member,) for problem in refused.value.errors()), "others are missing, it is not"
