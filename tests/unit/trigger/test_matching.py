from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.trigger.domain.matching import match, observed, record_id
from services.trigger.reconciler import prefixes
from shared.model.pipeline import OutputPlace, PipelineStatus
from shared.model.run import RunState
from shared.model.starting import CLOCK_TOLERANCE, extension, identity, refusal, run_for
from shared.model.upload import Rule
from tests.builders import BUCKET, REGION, T0, TENANT, a_notification, a_pipeline, an_object


@pytest.mark.parametrize(
    ("trigger", "key"),
    [
        ({}, "in/clip.mp4"),
        ({}, "in/deep/er/clip.mp4"),
        ({}, "in/no-extension"),
        ({"dir": "/"}, "clip.mp4"),
        ({"dir": "/"}, "any/where.mp4"),
        ({"formats": ("mp4", "mov")}, "in/clip.mov"),
        ({"formats": ("mp4",)}, "in/CLIP.MP4"),
        ({"formats": ("mp4",)}, "in/v1.2.final.Mp4"),
        ({"dir": "/视频/"}, "视频/第一集.mp4"),
    ],
)
def test_upload_in_the_directory_with_the_format_starts_the_pipeline(trigger: dict[str, Any], key: str) -> None:
    assert refusal(a_pipeline(trigger=trigger), an_object(key)) is None


@pytest.mark.parametrize(
    ("trigger", "info", "reason"),
    [
        ({}, an_object("other/clip.mp4"), "not under /in/"),
        ({}, an_object("input/clip.mp4"), "not under /in/"),
        ({}, an_object("In/clip.mp4"), "not under /in/"),
        ({}, an_object("in"), "not under /in/"),
        ({}, an_object("in/"), "folder"),
        ({}, an_object("in/clip.mp4", bucket="elsewhere"), f"watches bucket {BUCKET}"),
        ({}, an_object("in/clip.mp4", size=0), "empty"),
        ({"formats": ("mp4", "mov")}, an_object("in/clip.mkv"), "'mkv' is not among mp4, mov"),
        ({"formats": ("mp4",)}, an_object("in/mp4"), "'none' is not among mp4"),
        ({"formats": ("mp4",)}, an_object("in.mp4/clip"), "not under /in/"),
        ({"formats": ("mp4",), "dir": "/"}, an_object("in.mp4/clip"), "'none' is not among"),
        ({}, an_object("in/clip.mp4", last_modified=T0 - timedelta(days=1)), "older than the moment of enabling"),
    ],
)
def test_refusal_says_why(trigger: dict[str, Any], info: Any, reason: str) -> None:
    assert reason in (refusal(a_pipeline(trigger=trigger), info) or "")


def test_every_rule_has_a_case() -> None:
    cases = {
        Rule.DISABLED: refusal(a_pipeline(enabled_at=None), an_object()),
        Rule.BUCKET: refusal(a_pipeline(), an_object(bucket="elsewhere")),
        Rule.DIRECTORY: refusal(a_pipeline(), an_object("other/clip.mp4")),
        Rule.FOLDER: refusal(a_pipeline(), an_object("in/a/")),
        Rule.FORMAT: refusal(a_pipeline(trigger={"formats": ("mp4",)}), an_object("in/clip.mkv")),
        Rule.EMPTY: refusal(a_pipeline(), an_object(size=0)),
        Rule.OLDER: refusal(a_pipeline(), an_object(last_modified=T0 - timedelta(days=1))),
    }
    assert set(cases) == set(Rule)
    assert {rule: found.rule for rule, found in cases.items() if found} == {rule: rule for rule in Rule}


def test_disabled_pipeline_is_quiet() -> None:
    assert "disabled" in (refusal(a_pipeline(status=PipelineStatus.DISABLED), an_object()) or "")
    assert "disabled" in (refusal(a_pipeline(enabled_at=None), an_object()) or "")


def test_upload_in_the_second_of_enabling_counts_even_if_the_storages_clock_is_a_little_behind() -> None:
    second = T0.replace(microsecond=0)
    pipeline = a_pipeline(enabled_at=second + timedelta(microseconds=900000))
    assert refusal(pipeline, an_object(last_modified=second)) is None
    assert refusal(pipeline, an_object(last_modified=second - CLOCK_TOLERANCE)) is None
    assert refusal(pipeline, an_object(last_modified=second - CLOCK_TOLERANCE - timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("key", "found"),
    [("a.mp4", "mp4"), ("a", ""), ("x.y/a", ""), ("a.", ""), (".mp4", "mp4"), ("a.tar.GZ", "gz"), ("视频.MP4", "mp4")],
)
def test_extension(key: str, found: str) -> None:
    assert extension(key) == found


def test_identity_is_the_version_or_else_content_and_second() -> None:
    plain = an_object()
    later = an_object(last_modified=plain.last_modified + timedelta(seconds=1))
    within = an_object(last_modified=plain.last_modified + timedelta(milliseconds=900))
    assert identity(plain) == identity(within)
    assert len({record_id(plain), record_id(later), record_id(an_object(etag="e2")), record_id(an_object("in/b"))}) == 4
    assert identity(an_object(version_id="v1")) == identity(an_object(version_id="v1", etag="e2"))
    assert identity(an_object(version_id="v1")) != identity(an_object(version_id="v2"))


def test_listing_and_head_give_the_same_mark() -> None:
    listed = an_object(last_modified=T0)
    assert observed(listed) == observed(an_object(last_modified=T0.replace(microsecond=0), version_id="v1"))


def test_run_id_depends_on_pipeline_and_upload_and_nothing_else() -> None:
    first = match(a_pipeline("1"), an_object())
    assert first.run_id == match(a_pipeline("1", name="renamed"), an_object()).run_id
    others = {
        match(a_pipeline("2"), an_object()).run_id,
        match(a_pipeline("1", tenant="1250000001"), an_object()).run_id,
        match(a_pipeline("1"), an_object(etag="e2")).run_id,
        match(a_pipeline("1"), an_object("in/other.mp4")).run_id,
    }
    assert len(others | {first.run_id}) == 5
    assert (first.run_id or "").split("-")[:2] == [TENANT, "ScheduleTask"]
    assert len((first.run_id or "").split("-")) == 3


def test_match_has_a_run_or_a_reason() -> None:
    refused = match(a_pipeline(), an_object("else/where.mp4"))
    assert refused.run_id is None
    assert refused.reason
    assert (refused.rule, refused.tenant) == (Rule.DIRECTORY, TENANT)
    started = match(a_pipeline(), an_object())
    assert started.run_id
    assert started.reason is None
    assert started.rule is None


def test_output_follows_the_input_unless_told_otherwise() -> None:
    assert run_for(a_pipeline(), "r", an_object("in/a/clip.mp4"), T0).target.model_dump() == {
        "bucket": BUCKET,
        "region": REGION,
        "dir": "/in/a/",
        "type": "COS",
    }
    assert run_for(a_pipeline(), "r", an_object("clip.mp4"), T0).target.dir == "/"
    away = OutputPlace(bucket="out-1", region="ap-beijing", dir="/o/")
    target = run_for(a_pipeline(output=away), "r", an_object(), T0).target
    assert (target.bucket, target.region, target.dir) == ("out-1", "ap-beijing", "/o/")


def test_run_carries_the_definition_and_pins_the_object() -> None:
    pipeline = a_pipeline(definition=4, notification=a_notification(), trigger={"type": "AwsS3FileUpload"})
    run = run_for(pipeline, "r", an_object(etag="e9", version_id="v3"), T0)
    assert (run.nodes, run.definition, run.notification) == (pipeline.nodes, 4, pipeline.notification)
    assert (run.input.etag, run.input.version_id, run.input_type) == ("e9", "v3", "AWS-S3")
    assert run.target.type == "AWS-S3", "results spell the output bucket like the input"
    assert (run.state, run.due_at, len(run.node_runs)) == (RunState.REQUESTED, T0, 3)


@pytest.mark.parametrize(
    ("dirs", "expected"),
    [
        (["/in/"], ["in/"]),
        (["/"], [""]),
        (["/in/", "/"], [""]),
        (["/in/", "/in/deep/", "/out/"], ["in/", "out/"]),
        (["/in/", "/input/"], ["in/", "input/"]),
        (["/b/", "/a/b/", "/a/"], ["a/", "b/"]),
        ([], []),
    ],
)
def test_prefixes_cover_every_directory_once(dirs: list[str], expected: list[str]) -> None:
    pipelines = [a_pipeline(str(index), trigger={"dir": folder}) for index, folder in enumerate(dirs)]
    assert prefixes(pipelines) == expected
