"""What expressions mean."""

from __future__ import annotations

from typing import Any

import pytest

from shared.conditions import explain, parse

SCOPE: dict[str, Any] = {
    "MetaData": {
        "Width": 640,
        "Height": 360,
        "Duration": 10.5,
        "Container": "mov,mp4,m4a",
        "VideoStreamSet": [{"Codec": "h264"}, {"Codec": "png"}],
        "Tags": ["夜", 5, True],
    },
    "nodes": {
        "3": {"Output": {"Width": 5}},
        "审核": {"suggestion": "block"},
        "my-node": {"state": "failed", "error": "SourceFileError"},
    },
    "yes": True,
    "no": False,
    "nan": float("nan"),
    "huge": 10**400,
}
TRUE = [
    "MetaData.Width >= 640",
    "MetaData.Width*2 == 1280",
    'MetaData.VideoStreamSet[0].Codec == "h264"',
    "MetaData.VideoStreamSet.1.Codec == 'png'",
    "nodes.3.Output.Width == 5 && nodes[3].Output.Width in[5, 6]",
    'nodes.审核.suggestion == "block"',
    'nodes["my-node"].error startswith "Source"',
    '"mp4" in MetaData.Container',
    'MetaData.Container contains "m4a"',
    'MetaData.Container endswith "a"',
    '"夜" in MetaData.Tags and 5 in MetaData.Tags and MetaData.Tags contains true',
    '"5" not in MetaData.Tags and 1 not in MetaData.Tags',
    "MetaData.Rotate == null and MetaData.Width != null and not exists(MetaData.Rotate)",
    "exists(MetaData.Width) and exists(no)",
    "len(MetaData.VideoStreamSet) == 2 and len(MetaData.Container) > 2 and len([]) == 0",
    'upper(lower("ABC")) == "ABC"',
    "yes",
    "!no",
    "yes || no && no",
    "(yes or no) and not (yes and no)",
    "not no == true",
    "2 + 3 * 4 == 14 and (2 + 3) * 4 == 20 and 10 - 4 - 3 == 3 and 8 / 4 / 2 == 1 and 7 / 2 == 3.5",
    "-MetaData.Width < -(1 + 2) and - -1 == 1 and 2 - -1 == 3",
    "1 == 1.0 and 1e3 == 1000",
    '"a" < "b" and "" == \'\'',
    r'"a\"\\\n" != ' + r"'a\'\\\n'",
    "yes or missing",
    "not (no and missing)",
    "1 / 0 == 1 or yes",
    "in_sight == null and android == null and 宽 == null",
]
UNKNOWN = [
    "missing",
    "missing == 1",
    "missing != 1",
    "not missing == 1",
    "missing < 1",
    "missing in [1]",
    "missing not in [1]",
    "1 in missing",
    "1 not in MetaData.Width",
    'MetaData.Width == "640"',
    'MetaData.Width != "640"',
    "yes == MetaData.Width",
    'MetaData.Width < "a"',
    "MetaData.Width and yes",
    "MetaData == 1",
    "MetaData == MetaData",
    "MetaData.VideoStreamSet == MetaData.VideoStreamSet",
    "MetaData in MetaData.Tags",
    "MetaData.Width.x == 1",
    "MetaData.VideoStreamSet[9].Codec == 'h264'",
    "MetaData.VideoStreamSet.Codec == 'h264'",
    "MetaData.Container[0] == 'm'",
    "1 / 0 == 1 / 0",
    "1 / (MetaData.Width - 640) > 0",
    "9000000000000000000 * 9000000000000000000 > 0",
    "9000000000000000000 * 9000000000000000000 / 9000000000000000000 > 0",
    "nan == nan",
    "huge > 1",
    "yes and missing",
    "missing or no",
    "lower(MetaData.Width) == 'a'",
    "len(MetaData) > 0",
    "yes + 1 == 2",
]


@pytest.mark.parametrize("text", TRUE)
def test_expression_holds(text: str) -> None:
    assert parse(text).answer(SCOPE) is True
    assert parse(f"not ({text})").answer(SCOPE) is False


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_cannot_be_answered_is_unknown_and_so_is_its_opposite(text: str) -> None:
    assert parse(text).answer(SCOPE) is None
    assert parse(f"not ({text})").answer(SCOPE) is None
    assert not parse(text).evaluate(SCOPE)
    assert not parse(f"not ({text})").evaluate(SCOPE)


def test_false_decides_against_unknown_in_any_order() -> None:
    for text in ("no and missing", "missing and no", "not (yes or missing)", "not (missing or yes)"):
        assert parse(text).answer(SCOPE) is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("MetaData.Width >= 1080", "MetaData.Width (640) >= 1080 is false"),
        ("not (MetaData.Width >= 1080)", "MetaData.Width (640) >= 1080 is false"),
        ("yes and MetaData.Rotate == 0 and no", "no (false) is false"),
        ("yes and MetaData.Rotate == 0", "MetaData.Rotate (missing) == 0 is unknown"),
        ("yes and MetaData.Width > 1", "yes (true) is true; MetaData.Width (640) > 1 is true"),
        ("no or MetaData.Width > 1 or yes", "MetaData.Width (640) > 1 is true"),
        ("no or MetaData.Width < 1", "no (false) is false; MetaData.Width (640) < 1 is false"),
        ("'mp4' in MetaData.Container", '"mp4" in MetaData.Container ("mov,mp4,m4a") is true'),
        ("MetaData.Tags contains 6", "MetaData.Tags (a list of 3) contains 6 is false"),
        ("MetaData == 6", "MetaData (an object) == 6 is unknown"),
    ],
)
def test_explanation_names_what_decided(text: str, told: str) -> None:
    explanation = explain(parse(text), SCOPE)
    assert str(explanation) == told
    assert explanation.answer is parse(text).answer(SCOPE)


def test_explanation_clips_long_values_and_survives_half_characters() -> None:
    told = str(parse("a == 'x' or b == 'x'").explain({"a": "y" * 10_000, "b": "\ud800"}))
    assert len(told) < 250
    told.encode()


def test_paths_are_told_with_their_places() -> None:
    expression = parse('a.b == 1 and len(c[0]) > d["e f"] + -g or h in [i.3]')
    assert [(str(path), path.position) for path in expression.paths] == [
        ("a.b", 0),
        ("c[0]", 17),
        ('d["e f"]', 25),
        ("g", 37),
        ("h", 42),
        ("i[3]", 48),
    ]
