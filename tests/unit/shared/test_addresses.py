"""Which addresses a callback may go to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.notifier.settings import NotifierSettings
from shared.addresses import read_networks, refusal

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - judged, not bound to
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:1::",
]


@pytest.mark.parametrize("address", INSIDE)
def test_inside_address_is_refused(address: str) -> None:
    assert refusal(address, ()) is not None


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_address_is_taken(address: str) -> None:
    assert refusal(address, ()) is None


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("127.0.0.1", ["127.0.0.0/8"]),
        ("::1", ["127.0.0.0/8", "::1/128"]),
        ("::ffff:127.0.0.1", ["127.0.0.0/8"]),
        ("10.0.0.7", ["10.0.0.0/24"]),
        ("64:ff9b::a00:7", ["10.0.0.0/24"]),
    ],
)
def test_allowed_network_is_taken(address: str, networks: list[str]) -> None:
    assert refusal(address, read_networks(networks)) is None


def test_allowed_network_allows_nothing_else() -> None:
    assert refusal("10.0.1.7", read_networks(["10.0.0.0/24"])) is not None
    assert refusal("127.0.0.1", read_networks(["::/0"])) is not None


def test_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWAY_ALLOWED_NETWORKS", "127.0.0.0/8, ::1/128,")
    assert NotifierSettings().allowed_networks == ("127.0.0.0/8", "::1/128")
    monkeypatch.setenv("REELWAY_ALLOWED_NETWORKS", "")
    assert NotifierSettings().allowed_networks == ()


def test_bad_network_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWAY_ALLOWED_NETWORKS", "10.0.0.1/8")
    with pytest.raises(ValidationError, match="allowed_networks"):
        NotifierSettings()
