"""Rules of single fields."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.domain.errors import ApiError
from services.api.domain.fields import (
    BUILT_IN_FORMATS,
    EARLIEST,
    LATEST,
    check_cos_bucket,
    check_name,
    check_s3_bucket,
    moment_text,
    normalise_dir,
    normalise_formats,
    normalise_key,
    read_moment,
)


def refused(call, *args):
    with pytest.raises(ApiError) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize("name", ["a", "测试", "𠀀", "a_b-C9", "x" * 128])
def test_good_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a.b", "a/b", "é", "ａ", "😀", "a\n", "\u200b", "，"])
def test_bad_names(name):
    assert refused(check_name, name).wire_code == "InvalidParameterValue.Name"


@pytest.mark.parametrize(
    ("given_", "kept"), [("/", "/"), ("out/", "/out/"), ("/a b/测/", "/a b/测/"), ("/a.b/..c/", "/a.b/..c/")]
)
def test_good_directories(given_, kept):
    assert normalise_dir(given_, "Dir") == kept


@pytest.mark.parametrize(
    "text", ["", "a", "/a", "//", "a//", "/a//b/", "../", "/a/../", "/./", "a\\/", "a\n/", "a\x7f/", "\u2028/"]
)
def test_bad_directories(text):
    error = refused(normalise_dir, text, "Trigger.CosFileUploadTrigger.Dir")
    assert error.wire_code == "InvalidParameterValue"
    assert error.message.startswith("Trigger.CosFileUploadTrigger.Dir: must ")


@given(st.text(max_size=30))
def test_normalised_directories_are_always_safe_and_stay_as_they_are(text):
    try:
        found = normalise_dir(text, "Dir")
    except ApiError:
        return
    assert found.startswith("/")
    assert found.endswith("/")
    assert "//" not in found
    assert ".." not in found.split("/")
    assert normalise_dir(found, "Dir") == found


def test_formats_absent_or_empty_mean_the_default():
    for formats in (None, []):
        assert normalise_formats(formats, "F", BUILT_IN_FORMATS) == BUILT_IN_FORMATS
        assert normalise_formats(formats, "F", None) is None


def test_formats_are_folded_and_single():
    assert normalise_formats([".MP4", "mp4", "Mov"], "F", None) == ("mp4", "mov")


def test_a_star_anywhere_is_every_file_but_hides_no_mistake():
    assert normalise_formats(["mp4", "*"], "F", ("x",)) is None
    assert refused(normalise_formats, ["*", "a b"], "F", None).message.startswith("F[1]:")


@pytest.mark.parametrize("text", ["", ".", "tar.gz", "mp4 ", "文", "x" * 65])
def test_bad_formats(text):
    assert refused(normalise_formats, ["mp4", text], "F", None).message.startswith("F[1]:")


def test_cos_buckets_carry_the_tenant():
    assert check_cos_bucket("a-b-125", "B", "125") == "a-b-125"
    assert refused(check_cos_bucket, "a-b-126", "B", "125").wire_code == "ResourceNotFound.CosBucketNotExist"
    for name in ("ab", "a-", "-125", "A-125", "a_b-125", "a-125/x"):
        assert refused(check_cos_bucket, name, "B", "125").wire_code == "ResourceNotFound.CosBucketNameInvalid"


def test_s3_bucket_names():
    assert check_s3_bucket("my.bucket-1", "B", "1250000000") == "my.bucket-1"
    for name in ("", "ab", "-ab", "a..b", "Abc", "a/b", "x" * 64):
        assert refused(check_s3_bucket, name, "B", "1250000000").wire_code == "ResourceNotFound.CosBucketNameInvalid"


@pytest.mark.parametrize(
    "name", ["media-1250000000", "m-125000", "m-12500000001250000000", "a.b-1250000000", "x-1-1250000000"]
)
def test_s3_spelling_opens_no_bucket_of_another_tenant(name):
    error = refused(check_s3_bucket, name, "B", "1259999999")
    assert (error.wire_code, error.message[:2]) == ("ResourceNotFound.CosBucketNotExist", "B:")
    assert check_s3_bucket(name, "B", name.rpartition("-")[2]) == name


@pytest.mark.parametrize("name", ["media1250000000", "media.1250000000", "backup-2024", "v-12500", "1250000000-media"])
def test_s3_buckets_without_an_app_id_are_anybodys(name):
    assert check_s3_bucket(name, "B", "1259999999") == name


def test_keys():
    assert normalise_key("/a/b c.mp4", "O") == normalise_key("a/b c.mp4", "O") == "a/b c.mp4"
    for text in ("", "/", "/a/", "x" * 1025, "中" * 342):
        refused(normalise_key, text, "O")


def test_moments():
    moment = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert read_moment("2026-11-23T10:00:00Z", "T") == read_moment("2026-11-23T18:00:00+08:00", "T") == moment
    for text in ("", "2026-11-23", "2026-11-23T10:00:00", "0000-00-00T00:00:00Z", "now"):
        assert refused(read_moment, text, "T").message.startswith("T:")
    assert moment_text(moment.astimezone(timezone(timedelta(hours=8)))) == "2026-11-23T10:00:00Z"
    assert moment_text(None) == "0000-00-00T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("0001-01-01T00:00:00Z", EARLIEST),
        ("0001-01-01T00:00:00+08:00", EARLIEST),
        ("9999-12-31T23:59:59Z", LATEST),
        ("9999-12-31T23:59:59.999999-08:00", LATEST),
    ],
)
def test_moments_at_the_ends_of_time_are_held_within_what_can_be_computed(text, held):
    assert read_moment(text, "T") == held
    assert held + timedelta(seconds=1 if held is LATEST else 0)
