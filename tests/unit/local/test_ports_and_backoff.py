from __future__ import annotations

import socket

import pytest

from services.local.backoff import RestartBackoff
from services.local.errors import PortTaken
from services.local.ports import PortChoice, is_free


def test_ports_are_free_and_all_different() -> None:
    ports = PortChoice()
    taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50
    assert all(is_free(port) for port in taken)


def test_wished_port_is_given_once_and_refused_when_in_use() -> None:
    ports = PortChoice()
    wished = PortChoice().take()
    assert ports.take(wished) == wished
    with pytest.raises(PortTaken):
        ports.take(wished)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortTaken):
        ports.take(server.getsockname()[1])


def test_backoff_doubles_to_ten_seconds_and_starts_anew_after_a_healthy_life() -> None:
    backoff = RestartBackoff()
    assert [backoff.after_life_of(1) for _ in range(8)] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    assert backoff.after_life_of(30) == pytest.approx(0.2)
    assert backoff.after_life_of(29.9) == pytest.approx(0.4)
