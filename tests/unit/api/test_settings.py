"""Settings of the API."""

import pytest
from pydantic import ValidationError

from services.api.settings import ApiSettings


def test_peers_are_read_from_one_variable(monkeypatch):
    monkeypatch.setenv("REELWAY_HEALTH_PEERS", "trigger=http://127.0.0.1:1/, worker=https://w:2")
    assert ApiSettings().health_peers == {"trigger": "http://127.0.0.1:1", "worker": "https://w:2"}


def test_no_peers_is_the_default(monkeypatch):
    monkeypatch.setenv("REELWAY_HEALTH_PEERS", "")
    assert ApiSettings().health_peers == {}


@pytest.mark.parametrize("text", ["trigger", "trigger=127.0.0.1:1", "=http://a"])
def test_bad_peers_end_the_start(monkeypatch, text):
    monkeypatch.setenv("REELWAY_HEALTH_PEERS", text)
    with pytest.raises(ValidationError, match="name=url"):
        ApiSettings()


def test_secrets_are_hidden(monkeypatch):
    monkeypatch.setenv("REELWAY_BOOTSTRAP_SECRET_KEY", "very secret")
    assert "very secret" not in ApiSettings().model_dump_json()
