"""Signatures of notifications."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

from shared.mps.signing import expiry, sign, webhook_headers, webhook_secret
from tests.unit.notifier.builders import KEY, START


def test_sign_is_the_contracts_vector() -> None:
    assert sign(1795460400, KEY) == "dcec3734a1c8c44d89e14ea6cd0bc2ab"


def test_timestamp_is_ten_minutes_ahead() -> None:
    assert expiry(START) == int((START + timedelta(minutes=10)).timestamp())


def test_webhook_signature_covers_id_time_and_body() -> None:
    headers = webhook_headers("run:1:URL", START, b'{"a":1}', KEY)
    signed = f'run:1:URL.{headers["webhook-timestamp"]}.{{"a":1}}'.encode()
    wanted = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["webhook-id"] == "run:1:URL"


def test_webhook_signature_is_the_standards_vector() -> None:
    # The example of standardwebhooks.com: id, time, body and secret as published there.
    headers = webhook_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        START.fromtimestamp(1614265330, START.tzinfo),
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_key_that_only_looks_like_a_standard_secret_is_text() -> None:
    assert webhook_secret("whsec_not base64!") == b"whsec_not base64!"
    assert webhook_secret("密钥") == "密钥".encode()


def test_no_key_no_signature() -> None:
    assert set(webhook_headers("i", START, b"", None)) == {"webhook-id", "webhook-timestamp"}
