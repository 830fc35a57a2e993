"""Fixtures: the gateway under test, its peers, and a clock on every test."""

import itertools
import os
import signal

import pytest
from gateway import Gateway
from peers import PERMIT_ALL, Peers
from upstream import Upstream

TEST_SECONDS = 90


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """No test may hang: a gateway that never answers is a failure with a stack, not a stuck run."""
    marker = item.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def late(*_):
        raise TimeoutError(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): a test's own time limit")


@pytest.fixture(scope="session")
def binary() -> str:
    path = os.environ.get("BARTIZAN_BIN")
    if not path:
        pytest.skip("BARTIZAN_BIN is not set: no gateway to test")
    if not os.access(path, os.X_OK):
        pytest.fail(f"BARTIZAN_BIN names no program: {path}")
    return path


@pytest.fixture(scope="session")
def peers(tmp_path_factory):
    peers = Peers(tmp_path_factory.mktemp("peers"))
    yield peers
    peers.close()


@pytest.fixture(scope="session")
def provider():
    """The scripted provider, shared; tests that count requests clear it first."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def fresh_provider(request):
    if "provider" in request.fixturenames:
        request.getfixturevalue("provider").clear()


class Factory:
    def __init__(self, binary: str, directory):
        self.binary, self.directory, self.number, self.started = binary, directory, itertools.count(1), []

    def __call__(
        self, provider=None, servers=None, policy: str | None = PERMIT_ALL, pack="balanced", start=True, secrets=None,
        models=None, upstreams=None, limits=None, jwt=None, environment=None, **tables,
    ) -> Gateway:
        """A gateway of these parts; `policy` is the text of a policy file beside the pack."""
        directory = self.directory / f"gateway{next(self.number)}"
        directory.mkdir(parents=True)
        config: dict = {}
        files = []
        if policy is not None:
            (directory / "policy").mkdir()
            (directory / "policy" / "test.cedar").write_text(policy)
            files = [str(directory / "policy" / "*.cedar")]
        config["policy"] = {"pack": pack, "files": files}
        if limits:
            config["limits"] = limits
        if provider is not None and upstreams is None:
            upstreams = [
                {"name": "openai", "api": "openai", "url": provider.url, "secret": "openai"},
                {"name": "anthropic", "api": "anthropic", "url": provider.url, "secret": "anthropic"},
            ]
            secrets = {"openai": PROVIDER_KEY, "anthropic": PROVIDER_KEY, **(secrets or {})}
        for name, list_of in (("upstream", upstreams), ("model", models), ("server", servers), ("jwt", jwt)):
            if list_of:
                config[name] = list_of
        config.update(tables)
        gateway = Gateway(self.binary, directory, config, environment)
        self.started.append(gateway)
        for name, value in (secrets or {}).items():
            gateway.set_secret(name, value)
        return gateway.start() if start else gateway

    def close(self):
        for gateway in self.started:
            gateway.close()


PROVIDER_KEY = "sk-planted-provider-key-0123456789"


@pytest.fixture
def gateway(binary, tmp_path):
    factory = Factory(binary, tmp_path)
    yield factory
    factory.close()


@pytest.fixture(scope="module")
def shared_gateway(binary, tmp_path_factory):
    """For tests that only call: one process for the module."""
    factory = Factory(binary, tmp_path_factory.mktemp("shared"))
    yield factory
    factory.close()
