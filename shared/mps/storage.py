"""Where media comes from and goes to (contract MPS_API §5.2)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from shared.mps.base import MpsModel


class CosOutputStorage(MpsModel):
    """A bucket; an absent member inherits the level above."""

    bucket: str | None = None
    region: str | None = None


class S3OutputStorage(MpsModel):
    """An S3 bucket, optionally with its own keys."""

    s3_bucket: str = Field(alias="S3Bucket")
    s3_region: str = Field(alias="S3Region")
    s3_secret_id: str | None = Field(default=None, alias="S3SecretId")
    s3_secret_key: str | None = Field(default=None, alias="S3SecretKey")


class TaskOutputStorage(MpsModel):
    """The output bucket. `Type` chooses which member counts; VOD storage does not exist here."""

    type: Literal["COS", "AWS-S3"]
    cos_output_storage: CosOutputStorage | None = None
    s3_output_storage: S3OutputStorage | None = Field(default=None, alias="S3OutputStorage")

    @model_validator(mode="after")
    def _member_fits_type(self) -> Self:
        if self.type == "AWS-S3" and self.s3_output_storage is None:
            raise ValueError("S3OutputStorage is required when Type is AWS-S3")
        return self

    @property
    def bucket(self) -> str | None:
        """The bucket, or None to inherit."""
        if self.type == "AWS-S3" and self.s3_output_storage:
            return self.s3_output_storage.s3_bucket
        return self.cos_output_storage.bucket if self.cos_output_storage else None

    @property
    def region(self) -> str | None:
        """The region, or None to inherit."""
        if self.type == "AWS-S3" and self.s3_output_storage:
            return self.s3_output_storage.s3_region
        return self.cos_output_storage.region if self.cos_output_storage else None

    @classmethod
    def cos(cls, bucket: str, region: str) -> TaskOutputStorage:
        """The COS spelling of a bucket."""
        return cls(type="COS", cos_output_storage=CosOutputStorage(bucket=bucket, region=region))


class CosInputInfo(MpsModel):
    """An object; `Object` is a path with a leading slash (accepted without)."""

    bucket: str
    region: str
    object: str


class UrlInputInfo(MpsModel):
    """A file behind a URL."""

    url: str


class S3InputInfo(MpsModel):
    """An S3 object, optionally with its own keys."""

    s3_bucket: str = Field(alias="S3Bucket")
    s3_region: str = Field(alias="S3Region")
    s3_object: str = Field(alias="S3Object")
    s3_secret_id: str | None = Field(default=None, alias="S3SecretId")
    s3_secret_key: str | None = Field(default=None, alias="S3SecretKey")


class MediaInputInfo(MpsModel):
    """One input; `Type` chooses which member is required."""

    type: Literal["COS", "URL", "AWS-S3"]
    cos_input_info: CosInputInfo | None = None
    url_input_info: UrlInputInfo | None = None
    s3_input_info: S3InputInfo | None = Field(default=None, alias="S3InputInfo")

    @model_validator(mode="after")
    def _member_fits_type(self) -> Self:
        given = {"COS": self.cos_input_info, "URL": self.url_input_info, "AWS-S3": self.s3_input_info}
        if given[self.type] is None:
            member = {"COS": "CosInputInfo", "URL": "UrlInputInfo", "AWS-S3": "S3InputInfo"}[self.type]
            raise ValueError(f"{member} is required when Type is {self.type}")
        return self

    @classmethod
    def cos(cls, bucket: str, region: str, key: str) -> MediaInputInfo:
        """The COS spelling of an object."""
        return cls(type="COS", cos_input_info=CosInputInfo(bucket=bucket, region=region, object="/" + key))
