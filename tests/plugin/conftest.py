"""The plugin in an environment of its own, once for all tests of it."""

from collections.abc import Iterator

import pytest
from tests.plugin.language_host import Engine, Plugin, installed, listening, started


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    python, engine = installed(tmp_path_factory.mktemp("plugin")), Engine()
    with listening(engine) as address, started(python, address) as stub:
        yield Plugin(stub=stub, engine=engine, address=address)
