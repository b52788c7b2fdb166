from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trigger.domain.normalise import normalise
from shared.messages.codec import MessageError, encode
from shared.messages.messages import UploadCreated
from shared.model.upload import Upload
from tests.unit.trigger import events

KEYS = [
    "in/clip.mp4",
    "in/my clip.mp4",
    "in/a+b.mp4",
    "in/100%.mp4",
    "in/100%25.mp4",
    "in/%2B.mp4",
    "in/视频 素材/第一集.mp4",
    "in/émoji 😀.mp4",
    "in/a&b=c?d#e.mp4",
    'in/"quoted"\\.mp4',
    "clip",
    "in/sub//double.mp4",
]


def parse(event: Any) -> list[Upload]:
    return normalise(json.dumps(event).encode())


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shape", events.SHAPES)
def test_every_shape_gives_the_same_bucket_and_key(shape: str, key: str) -> None:
    [upload] = parse(events.SHAPES[shape](key))
    assert (upload.bucket, upload.key) == (events.BUCKET, key)


@pytest.mark.parametrize("shape", [shape for shape in events.SHAPES if "bare" not in shape])
def test_every_shape_gives_the_same_etag_and_size(shape: str) -> None:
    [upload] = parse(events.SHAPES[shape]("in/clip.mp4"))
    assert (upload.etag, upload.size) == ("d41d8cd98f00b204e9800998ecf8427e", 3539987)


def test_raw_utf8_bytes_are_read_like_escapes() -> None:
    body = json.dumps(events.eventbridge("in/视频.mp4"), ensure_ascii=False).encode()
    assert normalise(body)[0].key == "in/视频.mp4"


def test_s3_event_keeps_version_sequencer_region_and_time() -> None:
    [upload] = parse(events.s3("in/clip.mp4", versionId="096f"))
    assert upload.version_id == "096f"
    assert upload.sequencer == "0055AED6DCD90281E5"
    assert upload.region == "us-east-1"
    assert upload.event_name == "ObjectCreated:Put"
    assert upload.event_time == datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_null_version_is_no_version() -> None:
    assert parse(events.s3("in/clip.mp4", versionId="null"))[0].version_id is None


def test_empty_members_count_as_missing() -> None:
    [upload] = parse(events.s3("in/clip.mp4", versionId="", eTag="", sequencer=None, size=""))
    assert (upload.version_id, upload.etag, upload.sequencer, upload.size) == (None, None, None, None)


def test_minio_is_told_apart_and_has_no_region() -> None:
    [upload] = parse(events.minio("in/clip.mp4"))
    assert (upload.source, upload.region) == ("minio", None)


def test_cos_event_has_unix_time_and_long_region() -> None:
    [upload] = parse(events.cos("in/clip.mp4"))
    assert upload.event_time == datetime.fromtimestamp(1795428000, UTC)
    assert upload.region == "ap-guangzhou"


def test_old_cos_event_with_texts_for_numbers_is_read() -> None:
    event = events.cos("in/clip.mp4", bare=True)
    event["Records"][0]["cos"]["cosObject"]["size"] = "3539987"
    event["Records"][0]["event"]["eventTime"] = "2026-11-23T10:00:00"
    [upload] = parse(event)
    assert (upload.size, upload.event_time) == (3539987, datetime(2026, 11, 23, 10, tzinfo=UTC))


def test_cos_key_that_looks_like_another_bucket_is_left_alone() -> None:
    event = events.cos("in/clip.mp4")
    event["Records"][0]["cos"]["cosObject"]["key"] = "/1250000000/other/in/clip.mp4"
    assert parse(event)[0].key == "1250000000/other/in/clip.mp4"


def test_our_own_message_is_understood_as_the_bus_carries_it() -> None:
    message = UploadCreated(
        bucket=events.BUCKET, key="in/视频 1+1.mp4", etag="AB", version_id="v1", at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    [upload] = normalise(encode(message))
    assert upload == Upload(
        source="reelway",
        bucket=events.BUCKET,
        key="in/视频 1+1.mp4",
        etag="ab",
        version_id="v1",
        event_name="ObjectCreated",
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_several_records_keep_their_order_and_skip_removals() -> None:
    records = [
        events.s3("in/b.mp4")["Records"][0],
        events.s3("in/x.mp4", "ObjectRemoved:Delete")["Records"][0],
        events.cos("in/a.mp4")["Records"][0],
    ]
    assert [upload.key for upload in parse({"Records": records})] == ["in/b.mp4", "in/a.mp4"]


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-23T10:00:00.000Z", "Bucket": "media-in"},
        events.sns({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "media-in"}),
        {"Records": []},
        events.s3("in/x.mp4", "ObjectRemoved:Delete"),
        events.s3("in/x.mp4", "ObjectRemoved:DeleteMarkerCreated"),
        events.s3("in/x.mp4", "ObjectRestore:Completed"),
        events.minio("in/x.mp4", "s3:ObjectRemoved:Delete"),
        events.minio("in/x.mp4", "s3:ObjectAccessed:Get"),
        events.eventbridge("in/x.mp4", "Object Deleted"),
        events.eventbridge("in/x.mp4", "Object Restore Completed"),
        events.cos("in/x.mp4", "cos:ObjectRemove:Delete"),
        events.cos("in/x.mp4", "cos:ObjectRestore:Post"),
        events.cloudevent(events.s3("in/x.mp4", "ObjectRemoved:Delete")),
    ],
)
def test_what_tells_of_no_new_object_gives_no_upload(event: Any) -> None:
    assert parse(event) == []


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_of_creating_counts(name: str) -> None:
    assert len(parse(events.s3("in/x.mp4", f"ObjectCreated:{name}"))) == 1
    assert len(parse(events.minio("in/x.mp4", f"s3:ObjectCreated:{name}"))) == 1
    assert len(parse(events.cos("in/x.mp4", f"cos:ObjectCreated:{name}"))) == 1


def without(event: Any, *path: Any) -> Any:
    event = copy.deepcopy(event)
    place = event
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return event


OBJECT = ("Records", 0, "s3", "object")
COS = ("Records", 0, "cos")


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (without(events.s3("k"), *OBJECT, "key"), "key"),
        (without(events.s3("k"), *OBJECT), "object"),
        (without(events.s3("k"), "Records", 0, "s3", "bucket"), "bucket"),
        (without(events.s3("k"), "Records", 0, "s3", "bucket", "name"), "name"),
        (without(events.s3("k"), "Records", 0, "eventName"), "eventName"),
        (without(events.s3("k"), "Records", 0, "s3"), "s3"),
        (without(events.eventbridge("k"), "detail"), "detail"),
        (without(events.eventbridge("k"), "detail", "object", "key"), "key"),
        (without(events.cos("k"), *COS, "cosBucket"), "cosBucket"),
        (without(events.cos("k"), *COS, "cosBucket", "appid"), "appid"),
        (without(events.cos("k"), *COS, "cosObject", "key"), "key"),
        (without(events.cos("k"), "Records", 0, "event"), "event"),
        (without(events.cloudevent(events.own("k")), "data"), "data"),
        (events.own("k") | {"bucket": ""}, "bucket"),
        (events.own("k") | {"bucket": 5}, "bucket"),
        (events.own("k") | {"key": "///"}, "key"),
        (events.own("k") | {"key": None}, "key"),
        (events.own("k") | {"region": ["gz"]}, "region"),
        (events.own("k") | {"size": -1, "at": "yesterday"}, "yesterday"),
        (events.sns({}), "known shape"),
        ({"Records": ["x"]}, "JSON object"),
        ({"hello": "world"}, "known shape"),
        (["a"], "JSON object"),
        ("text", "JSON object"),
        (None, "JSON object"),
    ],
)
def test_malformed_event_is_refused_with_what_is_wrong(event: Any, named: str) -> None:
    with pytest.raises(MessageError, match=named):
        parse(event)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x01",
        b"{",
        b"\xff\xfe",
        b'{"Records":',
        b'{"a":"\xff"}',
        b"[" * 5000,
        b'{"a":' * 1100 + b"1" + b"}" * 1100,
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        normalise(body)


def test_wrappings_without_end_are_refused() -> None:
    event: Any = events.own("k")
    for _ in range(6):
        event = events.cloudevent(event)
    with pytest.raises(MessageError, match="wrapped"):
        parse(event)


@pytest.mark.parametrize(
    "at",
    [1e300, -1e300, 10**30, 253402300800, -99999999999999, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"],
)
def test_impossible_times_are_refused_as_messages(at: Any) -> None:
    with pytest.raises(MessageError):
        parse(events.own("k") | {"at": at})


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(copied[path[0]], path[1:], new)
    return copied


def understood_or_refused(body: bytes) -> None:
    uploads: list[Upload] = []
    with contextlib.suppress(MessageError):
        uploads = normalise(body)
    assert all(upload.bucket and upload.key for upload in uploads)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_wrong_member_anywhere_is_understood_or_refused(data: st.DataObject) -> None:
    event = events.SHAPES[data.draw(st.sampled_from(sorted(events.SHAPES)))]("in/clip.mp4")
    path = data.draw(st.sampled_from(sorted(places(event), key=str)))
    understood_or_refused(json.dumps(put(event, path, data.draw(anything))).encode())


@settings(max_examples=100, deadline=None)
@given(anything)
def test_any_json_is_understood_or_refused(value: Any) -> None:
    understood_or_refused(json.dumps(value).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_understood_or_refused(body: bytes) -> None:
    understood_or_refused(body)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda key: key.strip("/")))
def test_any_key_survives_every_encoding(key: str) -> None:
    key = key.lstrip("/")
    found = {parse(make(key))[0].key for make in (events.s3, events.minio, events.eventbridge, events.cos, events.own)}
    assert found == {key}
