"""Buckets that a request names: whose they are, and in which region (contract MPS_API §5.1, §5.2)."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.domain.errors import invalid, missing
from services.api.domain.fields import check_cos_bucket, check_region, check_s3_bucket, normalise_key
from shared.model.pipeline import OutputPlace
from shared.mps.schedule import WorkflowTrigger
from shared.mps.storage import MediaInputInfo, TaskOutputStorage

COS = "COS"
S3 = "AWS-S3"


@dataclass(frozen=True, slots=True)
class BucketUse:
    """A bucket and the wire path that names it, for the question whether it exists."""

    bucket: str
    field: str


@dataclass(frozen=True, slots=True)
class InputPlace:
    """An object that a request names. `key` has no leading slash."""

    type: str
    bucket: BucketUse
    region: str
    key: str
    key_field: str


def refuse_own_keys(field: str, *keys: str | None) -> None:
    """Raises ApiError if a request brings storage keys: they would be ignored, and so must not be taken."""
    if any(keys):
        raise invalid(
            field,
            "storage keys in requests are not supported by this version; the service uses its own, leave them out",
        )


def read_output(
    storage: TaskOutputStorage | None, field: str, tenant: str, region: str
) -> tuple[OutputPlace, list[BucketUse]]:
    """The output bucket, in the same region as the input's. Members that are absent stay None. Raises ApiError."""
    if storage is None:
        return OutputPlace(), []
    if storage.type == S3:
        bucket_field, region_field = f"{field}.S3OutputStorage.S3Bucket", f"{field}.S3OutputStorage.S3Region"
        if storage.s3_output_storage:
            given = storage.s3_output_storage
            refuse_own_keys(f"{field}.S3OutputStorage.S3SecretId", given.s3_secret_id, given.s3_secret_key)
    else:
        bucket_field, region_field = f"{field}.CosOutputStorage.Bucket", f"{field}.CosOutputStorage.Region"
    bucket, wanted = storage.bucket or None, storage.region or None
    if wanted is not None and check_region(wanted, region_field) != region:
        raise invalid(region_field, f"must be the region of the input bucket, {region}")
    if bucket is None:
        return OutputPlace(region=wanted), []
    if storage.type == S3:
        check_s3_bucket(bucket, bucket_field, tenant)
    else:
        check_cos_bucket(bucket, bucket_field, tenant)
    return OutputPlace(bucket=bucket, region=wanted or region), [BucketUse(bucket, bucket_field)]


@dataclass(frozen=True, slots=True)
class TriggerPlace:
    """The bucket that a trigger watches, with what else both kinds of trigger have."""

    bucket: BucketUse
    region: str
    dir: str | None
    formats: list[str] | None
    field: str
    all_formats: bool


def read_trigger_place(trigger: WorkflowTrigger, tenant: str) -> TriggerPlace:
    """The member that fits `Type`. Raises ApiError."""
    cos, s3 = trigger.cos_file_upload_trigger, trigger.aws_s3_file_upload_trigger
    match trigger.type:
        case "CosFileUpload":
            field = "Trigger.CosFileUploadTrigger"
            if cos is None:
                raise missing(field, "is required when Type is CosFileUpload")
            if s3 is not None:
                raise invalid("Trigger.AwsS3FileUploadTrigger", "must be absent when Type is CosFileUpload")
            check_cos_bucket(cos.bucket, f"{field}.Bucket", tenant)
            check_region(cos.region, f"{field}.Region")
            bucket = BucketUse(cos.bucket, f"{field}.Bucket")
            return TriggerPlace(bucket, cos.region, cos.dir, cos.formats, field, all_formats=False)
        case "AwsS3FileUpload":
            field = "Trigger.AwsS3FileUploadTrigger"
            if s3 is None:
                raise missing(field, "is required when Type is AwsS3FileUpload")
            if cos is not None:
                raise invalid("Trigger.CosFileUploadTrigger", "must be absent when Type is AwsS3FileUpload")
            refuse_own_keys(f"{field}.S3SecretId", s3.s3_secret_id, s3.s3_secret_key)
            if s3.aws_sqs is not None:
                raise invalid(f"{field}.AwsSQS", "not supported by this version")
            check_s3_bucket(s3.s3_bucket, f"{field}.S3Bucket", tenant)
            check_region(s3.s3_region, f"{field}.S3Region")
            bucket = BucketUse(s3.s3_bucket, f"{field}.S3Bucket")
            return TriggerPlace(bucket, s3.s3_region, s3.dir, s3.formats, field, all_formats=True)
        case _:
            raise invalid("Trigger.Type", "must be CosFileUpload or AwsS3FileUpload")


def read_input(info: MediaInputInfo, tenant: str, at: str = "InputInfo") -> InputPlace:
    """The object that a request names at the wire path `at`. Raises ApiError."""
    if info.type == COS and info.cos_input_info is not None:
        cos, field = info.cos_input_info, f"{at}.CosInputInfo"
        check_cos_bucket(cos.bucket, f"{field}.Bucket", tenant)
        check_region(cos.region, f"{field}.Region")
        key = normalise_key(cos.object, f"{field}.Object")
        return InputPlace(COS, BucketUse(cos.bucket, f"{field}.Bucket"), cos.region, key, f"{field}.Object")
    if info.type == S3 and info.s3_input_info is not None:
        s3, field = info.s3_input_info, f"{at}.S3InputInfo"
        refuse_own_keys(f"{field}.S3SecretId", s3.s3_secret_id, s3.s3_secret_key)
        check_s3_bucket(s3.s3_bucket, f"{field}.S3Bucket", tenant)
        check_region(s3.s3_region, f"{field}.S3Region")
        key = normalise_key(s3.s3_object, f"{field}.S3Object")
        return InputPlace(S3, BucketUse(s3.s3_bucket, f"{field}.S3Bucket"), s3.s3_region, key, f"{field}.S3Object")
    raise invalid(f"{at}.Type", f"{info.type} inputs are not supported by this version")
