"""A SecretId that does not exist is answered after the same work as one that does."""

from __future__ import annotations

import pytest

from services.api.domain import signature
from tests.integration.api.stand import SECRET_ID, Stand


async def test_an_unknown_secret_id_takes_the_same_way(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []
    compare = signature.hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(signature.hmac, "compare_digest", counted)
    counts = {}
    for sign in ("TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"):
        for secret_id, code in ((SECRET_ID, "SignatureFailure"), ("AKIDnobody", "SecretIdNotFound")):
            compared.clear()
            refused = await stand.refusal("DescribeSchedules", {}, secret_id=secret_id, secret_key="no", sign=sign)
            assert refused.code == f"AuthFailure.{code}"
            counts[sign, secret_id] = len(compared)
        assert counts[sign, SECRET_ID] == counts[sign, "AKIDnobody"] > 0
