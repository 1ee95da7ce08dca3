"""What all tests share: hypothesis profiles, and a network that ends at loopback."""

import ipaddress
import os
import socket

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("night", max_examples=300, deadline=None)
# The same examples in every run of CI, so that a change is judged by what it changes. Runs by hand
# draw new ones, which is how properties find what nobody thought of.
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
_chosen = "ci" if os.environ.get("CI") else "default"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _chosen))

_connect = socket.socket.connect


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host in {"localhost", "testserver", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Refuse every connection that leaves this machine."""

    def connect(self, address):
        if not _is_local(address):
            raise AssertionError(f"a test tried to reach {address!r}; tests use loopback only")
        return _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
