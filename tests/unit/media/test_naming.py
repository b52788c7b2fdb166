"""Names of outputs (contract §8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.mps.naming import NUMBER_VARIABLES, PLAIN_VARIABLES, NamingError, NumberFormat, OutputNames, check_path

ALL = PLAIN_VARIABLES | NUMBER_VARIABLES


def named(template: str, key: str = "in/AnimalWorldE01.mp4", extension: str = "mp4", index: int | None = None) -> str:
    return OutputNames(key, 100010, "/out/").key("OutputObjectPath", template, extension, index)


def test_examples_of_the_contract() -> None:
    assert named("{inputName}_{definition}.{format}") == "out/AnimalWorldE01_100010.mp4"
    template = "{inputName}_from_{inputFormat}_{number}.{format}"
    assert named(template, extension="ts", index=0) == "out/AnimalWorldE01_from_mp4_0.ts"


def test_a_leading_slash_means_the_bucket() -> None:
    assert named("/films/{inputName}.{format}") == "films/AnimalWorldE01.mp4"
    assert named("films/{inputName}.{format}") == "out/films/AnimalWorldE01.mp4"


def test_the_root_directory_adds_nothing() -> None:
    assert OutputNames("a.mp4", 0, "/").key("OutputObjectPath", "{inputName}.{format}", "mp3") == "a.mp3"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("in/片 段+1%.MOV", "片 段+1%"),
        ("in/a.b.mp4", "a.b"),
        ("in/noext", "noext"),
        ("in/.hidden", ".hidden"),
        ("in/back\\slash\n.mp4", "back_slash_"),
        ("in/{number}{format}.mp4", "{number}{format}"),
    ],
)
def test_odd_input_names(key: str, name: str) -> None:
    assert named("x_{inputName}.{format}", key) == f"out/x_{name}.mp4"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a/{taskId}.{format}", r"variable \{taskId\}"),
        ("a/{number}.{format}", r"variable \{number\}"),
        ("a/x.mp4", r"end with"),
        ("a/{format}", r"end with"),
        ("../x.{format}", r"\. or \.\."),
        ("/a/../../x.{format}", r"\. or \.\."),
        ("a/./x.{format}", r"\. or \.\."),
        ("a//x.{format}", "empty"),
        ("//x.{format}", "empty"),
        ("a\\x.{format}", "backslashes"),
        ("a\n.{format}", "control"),
        ("a{.{format}", "brace"),
    ],
)
def test_bad_paths_are_refused_naming_field_and_rule(path: str, rule: str) -> None:
    with pytest.raises(NamingError, match=rule) as refused:
        check_path("OutputObjectPath", path, PLAIN_VARIABLES)
    assert refused.value.field == "OutputObjectPath"
    assert str(refused.value).startswith("OutputObjectPath ")


def test_segments_are_relative() -> None:
    with pytest.raises(NamingError, match="relative"):
        check_path("SegmentObjectName", "/x_{number}.{format}", ALL, relative=True)


def test_a_name_that_climbs_only_when_rendered_is_refused() -> None:
    template = check_path("OutputObjectPath", "{inputFormat}{inputFormat}./x.{format}", PLAIN_VARIABLES)
    assert named(template, "in/a.mp4") == "out/mp4mp4./x.mp4"
    with pytest.raises(NamingError):
        named("{inputName}/x.{format}", "in/..mp4")


def test_a_key_has_at_most_1024_bytes() -> None:
    with pytest.raises(NamingError, match="1024 bytes"):
        named("{inputName}.{format}", "in/" + "片" * 400 + ".mp4")


def test_numbers() -> None:
    numbers = NumberFormat(initial_value=8, increment=2, min_length=3, place_holder="x")
    assert [numbers.render(index) for index in range(3)] == ["xx8", "x10", "x12"]
    assert NumberFormat().render(12) == "12"
    for bad in ({"PlaceHolder": "/"}, {"Increment": 0}, {"MinLength": 99}, {"InitialValue": -1}):
        with pytest.raises(ValidationError):
            NumberFormat.model_validate(bad)


def test_an_echo_keeps_the_number_open() -> None:
    names = OutputNames("in/clip.mp4", 10, "/out/")
    assert names.shown("{inputName}_{definition}_{number}.{format}", "jpg") == "/out/clip_10_{number}.jpg"


pieces = st.sampled_from([*"ab./\\{} 片\n", "{inputName}", "{format}", "{number}", "..", "/"])
paths = st.lists(pieces, max_size=12).map("".join)


@given(path=paths.map(lambda text: text + ".{format}"), key=st.text(min_size=1, max_size=20), index=st.integers(0, 99))
def test_no_accepted_path_leaves_its_directory(path: str, key: str, index: int) -> None:
    try:
        check_path("OutputObjectPath", path, ALL)
        rendered = OutputNames(key, 10, "/out/").key("OutputObjectPath", path, "mp4", index)
    except NamingError:
        return
    parts = rendered.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in rendered
    assert all(character >= " " for character in rendered)
    assert rendered.endswith(".mp4")
    assert path.startswith("/") or rendered.startswith("out/")


@given(st.builds(NumberFormat, initial_value=st.integers(0, 99), increment=st.integers(1, 9)))
def test_numbers_never_repeat(numbers: NumberFormat) -> None:
    assert len({numbers.render(index) for index in range(50)}) == 50
