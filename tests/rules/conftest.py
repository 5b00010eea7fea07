import pytest

from .rule_plans import Plans


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """What the command says of the table's files."""
    return Plans(tmp_path_factory.mktemp("rules"))
