"""Words and persons, as the official SDK sees them."""

import base64
import io
from datetime import timedelta

import pytest
from PIL import Image

from services.api.actions import persons
from shared.model.sample import photo_id
from shared.state import samples
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, TENANT

VALUE = "InvalidParameterValue"
OTHER = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}


def photo(colour="red", size=(240, 200), form="JPEG", **how):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, form, **how)
    return base64.b64encode(stream.getvalue()).decode()


async def words(stand, **where):
    answer = await stand.call("DescribeWordSamples", where)
    assert answer.TotalCount >= len(answer.WordSet)
    return [word.Keyword for word in answer.WordSet]


async def put(stand, usages, **tags_of):
    listed = [{"Keyword": keyword, "Tags": tags} for keyword, tags in tags_of.items()]
    await stand.call("CreateWordSamples", {"Usages": usages, "Words": listed})


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_life_of_words(stand, method):
    listed = [{"Keyword": "喜剧", "Tags": ["a", "b"]}, {"Keyword": "plain word"}]
    await stand.call("CreateWordSamples", {"Usages": ["Recognition"], "Words": listed}, method=method)
    answer = await stand.call("DescribeWordSamples", {"Keywords": ["喜剧"]}, method=method)
    (word,) = answer.WordSet
    assert (answer.TotalCount, word.Keyword, word.TagSet) == (1, "喜剧", ["a", "b"])
    assert word.UsageSet == ["Recognition.Ocr", "Recognition.Asr"]
    assert word.CreateTime == word.UpdateTime == "2026-11-23T10:00:00Z"

    stand.store_clock.advance(timedelta(minutes=1))
    change = {"Keyword": "喜剧", "Usages": ["Review.Asr"], "TagOperationInfo": {"Type": "add", "Tags": ["b", "c"]}}
    await stand.call("ModifyWordSample", change, method=method)
    (word,) = (await stand.call("DescribeWordSamples", {"Keywords": ["喜剧"]}, method=method)).WordSet
    assert (word.TagSet, word.UsageSet, word.UpdateTime) == (["a", "b", "c"], ["Review.Asr"], "2026-11-23T10:01:00Z")
    for kind, tags, left in (("delete", ["a", "zz"], ["b", "c"]), ("reset", ["new"], ["new"]), ("reset", [], [])):
        change = {"Keyword": "喜剧", "TagOperationInfo": {"Type": kind, "Tags": tags}}
        if tags or method == "POST":  # a GET cannot say an empty list
            await stand.call("ModifyWordSample", change, method=method)
            (word,) = (await stand.call("DescribeWordSamples", {"Keywords": ["喜剧"]})).WordSet
            assert (word.TagSet, word.UsageSet) == (left, ["Review.Asr"])

    await stand.call("DeleteWordSamples", {"Keywords": ["喜剧", "plain word"]}, method=method)
    assert await words(stand) == []


async def test_a_word_that_is_there_takes_what_the_new_call_says(stand):
    await put(stand, ["All"], one=["a"])
    await put(stand, ["Review.Ocr"], one=["b"], two=[])
    (word,) = (await stand.call("DescribeWordSamples", {"Keywords": ["one"]})).WordSet
    assert (word.TagSet, word.UsageSet) == (["b"], ["Review.Ocr"])
    assert (await stand.call("DescribeWordSamples")).TotalCount == 2


async def test_words_are_narrowed_and_paged(stand):
    for number, (usage, tag) in enumerate(
        [("Recognition.Ocr", "x"), ("Review", "y"), ("All", "x"), ("Review.Asr", "z")]
    ):
        stand.store_clock.advance(timedelta(seconds=1))
        await put(stand, [usage], **{f"w{number}": [tag]})
    assert await words(stand) == ["w3", "w2", "w1", "w0"]
    assert await words(stand, Tags=["x"]) == ["w2", "w0"]
    assert await words(stand, Usages=["Review.Asr"]) == ["w3", "w2", "w1"]
    assert await words(stand, Usages=["Recognition"], Tags=["x", "z"]) == ["w2", "w0"]
    assert await words(stand, Offset=1, Limit=2) == ["w2", "w1"]
    assert await words(stand, Usages=["Review.Asr"], Offset=1, Limit=1) == ["w2"]
    assert (await stand.call("DescribeWordSamples", {"Usages": ["Review.Asr"], "Limit": 1})).TotalCount == 3


async def test_a_filter_looks_beyond_one_part_of_the_store(stand, monkeypatch):
    monkeypatch.setattr(samples, "_SCAN", 2)
    await put(stand, ["All"], **{f"w{number}": ["odd" if number % 2 else "even"] for number in range(7)})
    assert sorted(await words(stand, Tags=["odd"])) == ["w1", "w3", "w5"]


async def test_words_of_another_tenant_are_not_there(stand):
    await put(stand, ["All"], mine=[])
    assert (await stand.call("DescribeWordSamples", **OTHER)).TotalCount == 0
    assert (await stand.refusal("ModifyWordSample", {"Keyword": "mine"}, **OTHER)).code == "ResourceNotFound.Word"
    assert (await stand.refusal("DeleteWordSamples", {"Keywords": ["mine"]}, **OTHER)).code == "ResourceNotFound.Word"
    assert await words(stand) == ["mine"]


async def test_nothing_is_deleted_if_one_word_is_not_there(stand):
    await put(stand, ["All"], mine=[])
    error = await stand.refusal("DeleteWordSamples", {"Keywords": ["mine", "other"]})
    assert (error.code, "'other'" in error.message) == ("ResourceNotFound.Word", True)
    assert await words(stand) == ["mine"]


async def test_there_is_a_limit_of_words(stand, monkeypatch):
    monkeypatch.setattr(samples, "MAX_WORDS", 2)
    await put(stand, ["All"], one=[], two=[])
    await put(stand, ["All"], one=["again"])
    error = await stand.refusal("CreateWordSamples", {"Usages": ["All"], "Words": [{"Keyword": "three"}]})
    assert (error.code, error.message.startswith("Words:")) == ("LimitExceeded", True)


WORD = {"Keyword": "w"}


REFUSED_WORDS = [
    ("CreateWordSamples", {"Words": [WORD]}, "MissingParameter", "Usages:"),
    ("CreateWordSamples", {"Usages": [], "Words": [WORD]}, VALUE, "Usages:"),
    ("CreateWordSamples", {"Usages": ["Face"], "Words": [WORD]}, VALUE, "Usages:"),
    ("CreateWordSamples", {"Usages": ["All"]}, "MissingParameter", "Words:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": []}, VALUE, "Words:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [{}]}, "MissingParameter", "Words[0].Keyword:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [{"Keyword": "x" * 21}]}, VALUE, "Words[0].Keyword:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [{"Keyword": " "}]}, VALUE, "Words[0].Keyword:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [WORD, WORD]}, VALUE, "Words[1].Keyword:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [WORD] * 101}, VALUE, "Words:"),
    ("CreateWordSamples", {"Usages": ["All"], "Words": [{**WORD, "Tags": ["t"] * 21}]}, VALUE, "Words[0].Tags:"),
    (
        "CreateWordSamples",
        {"Usages": ["All"], "Words": [{**WORD, "Tags": ["t" * 129]}]},
        VALUE,
        "Words[0].Tags[0]:",
    ),
    ("ModifyWordSample", WORD, "ResourceNotFound.Word", "Keyword:"),
    (
        "ModifyWordSample",
        {**WORD, "TagOperationInfo": {"Type": "swap", "Tags": []}},
        VALUE,
        "TagOperationInfo.Type:",
    ),
    ("DeleteWordSamples", {"Keywords": []}, VALUE, "Keywords:"),
    ("DescribeWordSamples", {"Limit": 101}, f"{VALUE}.Limit", "Limit:"),
    ("DescribeWordSamples", {"Offset": -1}, VALUE, "Offset:"),
    ("DescribeWordSamples", {"Usages": ["Face"]}, VALUE, "Usages:"),
]


async def test_refused_words(stand):
    for action, request_, code, field in REFUSED_WORDS:
        error = await stand.refusal(action, request_)
        assert (error.code, error.message.startswith(field)) == (code, True), error.message


async def test_too_many_labels_in_the_end_are_refused(stand):
    await put(stand, ["All"], w=[f"t{number}" for number in range(20)])
    change = {"Keyword": "w", "TagOperationInfo": {"Type": "add", "Tags": ["one more"]}}
    assert (await stand.refusal("ModifyWordSample", change)).code == VALUE


# -- persons ----------------------------------------------------------------------------------------------------------


async def create(stand, **members):
    return await stand.call("CreatePersonSample", {"Name": "张三", "Usages": ["All"], **members})


async def found(stand, **where):
    return (await stand.call("DescribePersonSamples", where)).PersonSet


async def photos_of(stand, person_id, faces):
    return [await stand.records.photos.get(photo_id(TENANT, person_id, face.FaceId)) for face in faces]


def shown(url):
    head, _, body = url.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
        picture.load()
        return picture.size, picture.getpixel((10, 10))


async def test_life_of_a_person(stand):
    made = await create(stand, Description="d", Tags=["t"], FaceContents=[photo("red"), photo("blue", form="PNG")])
    person = made.Person
    assert (person.Name, person.Description, person.TagSet) == ("张三", "d", ["t"])
    assert person.UsageSet == ["Recognition.Face", "Review.Face"]
    # The answer says what is not done with the photos that are kept.
    assert [(one.Index, one.ErrCode) for one in made.FailFaceInfoSet] == [(0, 0), (1, 0)]
    assert "computes nothing" in made.FailFaceInfoSet[0].Message
    (again,) = await found(stand, PersonIds=[person.PersonId])
    assert again._serialize() == person._serialize()
    size, (red, green, blue) = shown(person.FaceInfoSet[0].Url)
    assert size == (64, 53)
    assert red > 200 > 60 > max(green, blue)
    kept = await photos_of(stand, person.PersonId, person.FaceInfoSet)
    with Image.open(io.BytesIO(base64.b64decode(kept[1].content))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (240, 200))

    stand.store_clock.advance(timedelta(minutes=1))
    change = {"PersonId": person.PersonId, "Name": "李四", "Usages": ["Review"], "Description": ""}
    change["TagOperationInfo"] = {"Type": "reset", "Tags": ["u"]}
    change["FaceOperationInfo"] = {"Type": "delete", "FaceIds": [person.FaceInfoSet[0].FaceId]}
    changed = (await stand.call("ModifyPersonSample", change)).Person
    assert (changed.Name, changed.Description, changed.TagSet) == ("李四", "", ["u"])
    assert (changed.UsageSet, changed.UpdateTime) == (["Review.Face"], "2026-11-23T10:01:00Z")
    assert [face.FaceId for face in changed.FaceInfoSet] == [person.FaceInfoSet[1].FaceId]
    kept = await photos_of(stand, person.PersonId, person.FaceInfoSet)
    assert [one is None for one in kept] == [True, False]

    await stand.call("DeletePersonSample", {"PersonId": person.PersonId})
    assert await found(stand) == []
    assert await stand.records.photos.count({}) == 0


async def test_photos_are_added_and_reset(stand):
    person = (await create(stand, FaceContents=[photo("red")])).Person
    operation = {"Type": "add", "FaceContents": [photo("blue"), photo("red"), photo("green", (100, 300))]}
    request = {"PersonId": person.PersonId, "FaceOperationInfo": operation}
    answer = await stand.call("ModifyPersonSample", request)
    told = [(one.Index, one.ErrCode) for one in answer.FailFaceInfoSet]
    # The second is there already, the third is too small; what can be kept is kept.
    assert told == [(0, 0), (1, 2), (2, 1)]
    assert len(answer.Person.FaceInfoSet) == 2
    request["FaceOperationInfo"] = {"Type": "reset", "FaceContents": [photo("white")]}
    answer = await stand.call("ModifyPersonSample", request)
    assert len(answer.Person.FaceInfoSet) == 1
    assert await stand.records.photos.count({}) == 1


async def test_a_photo_is_kept_upright_small_and_without_what_else_is_in_the_file(stand):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "where I live"
    person = (await create(stand, FaceContents=[photo("red", (3000, 1500), exif=exif)])).Person
    (kept,) = await photos_of(stand, person.PersonId, person.FaceInfoSet)
    data = base64.b64decode(kept.content)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (512, 1024)
    assert b"where I live" not in data


async def test_persons_are_narrowed_and_paged(stand):
    ids = []
    for number, tag in enumerate(["x", "y", "x"]):
        stand.store_clock.advance(timedelta(seconds=1))
        ids.append((await create(stand, Name=f"n{number}", Tags=[tag])).Person.PersonId)
    assert [person.Name for person in await found(stand)] == ["n2", "n1", "n0"]
    assert [person.Name for person in await found(stand, Tags=["x"])] == ["n2", "n0"]
    assert [person.Name for person in await found(stand, Names=["n1", "n7"])] == ["n1"]
    assert [person.Name for person in await found(stand, PersonIds=ids[:2], Offset=1)] == ["n0"]
    assert await found(stand, Type="Default") == []


async def test_persons_of_another_tenant_are_not_there(stand):
    person = (await create(stand)).Person
    assert (await stand.call("DescribePersonSamples", **OTHER)).TotalCount == 0
    for action in ("ModifyPersonSample", "DeletePersonSample"):
        error = await stand.refusal(action, {"PersonId": person.PersonId}, **OTHER)
        assert error.code == "ResourceNotFound.Person"


async def test_there_is_a_limit_of_persons_and_of_faces(stand, monkeypatch):
    monkeypatch.setattr(samples, "MAX_PERSONS", 1)
    monkeypatch.setattr(persons, "MAX_FACES", 1)
    person = (await create(stand, FaceContents=[photo()])).Person
    assert (await stand.refusal("CreatePersonSample", {"Name": "b", "Usages": ["All"]})).code == "LimitExceeded"
    request = {"PersonId": person.PersonId, "FaceOperationInfo": {"Type": "add", "FaceContents": [photo("blue")]}}
    assert (await stand.refusal("ModifyPersonSample", request)).code == VALUE


def bomb():
    """A PNG that says it has 60000 x 60000 pixels."""
    whole = bytearray(base64.b64decode(photo(form="PNG")))
    whole[16:24] = (60000).to_bytes(4, "big") * 2
    return base64.b64encode(bytes(whole)).decode()


FACE = "FaceContents[0]:"


REFUSED_PERSONS = [
    ({"Name": None}, "MissingParameter", "Name:"),
    ({"Name": "x" * 21}, f"{VALUE}", "Name:"),
    ({"Usages": None}, "MissingParameter", "Usages:"),
    ({"Usages": ["Recognition.Ocr"]}, VALUE, "Usages:"),
    ({"Description": "x" * 1025}, VALUE, "Description:"),
    ({"Tags": ["t"] * 21}, VALUE, "Tags:"),
    ({"FaceContents": [photo()] * 6}, VALUE, "FaceContents:"),
    ({"FaceContents": ["?"]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": [base64.b64encode(b"no picture").decode()]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": [photo(size=(199, 300))]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": [photo(form="GIF")]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": [photo(size=(800, 800), form="PNG")[:200]]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": [bomb()]}, f"{VALUE}.PicFormatError", FACE),
    ({"FaceContents": ["A" * 4_200_000]}, f"{VALUE}.PicFormatError", FACE),
]


async def test_refused_persons(stand):
    for changes, code, field in REFUSED_PERSONS:
        request = {"Name": "a", "Usages": ["All"], **changes}
        error = await stand.refusal(
            "CreatePersonSample", {name: one for name, one in request.items() if one is not None}
        )
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
        assert await found(stand) == []
        assert await stand.records.photos.count({}) == 0


REFUSED_CHANGES_OF_PERSONS = [
    ({"PersonId": "nobody"}, "ResourceNotFound.Person", "PersonId:"),
    ({"FaceOperationInfo": {"Type": "delete"}}, "MissingParameter", "FaceOperationInfo.FaceIds:"),
    ({"FaceOperationInfo": {"Type": "delete", "FaceIds": ["f"]}}, VALUE, "FaceOperationInfo.FaceIds[0]:"),
    ({"FaceOperationInfo": {"Type": "add"}}, "MissingParameter", "FaceOperationInfo.FaceContents:"),
    ({"FaceOperationInfo": {"Type": "turn"}}, VALUE, "FaceOperationInfo.Type:"),
    (
        {"FaceOperationInfo": {"Type": "add", "FaceContents": [photo("red")]}},
        f"{VALUE}.FaceDuplicate",
        "FaceOperationInfo.FaceContents[0]:",
    ),
]


async def test_refused_changes_of_persons(stand):
    person = (await create(stand, FaceContents=[photo("red")])).Person
    for changes, code, field in REFUSED_CHANGES_OF_PERSONS:
        error = await stand.refusal("ModifyPersonSample", {"PersonId": person.PersonId, **changes})
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
        (same,) = await found(stand)
        assert same._serialize() == person._serialize()
