"""Where the files of local environments lie: outside the repository, one folder for each environment."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

HOME = "SPRINGTIDE_HOME"
"""Variable that moves everything below one folder: for tests, and for machines whose home is small."""
_DIGEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folders of one environment, and those that all environments of this machine share.

    Attributes:
        environment: Name of the environment.
        cache: What can be made again: binaries, resource definitions, build caches. Shared.
        root: Everything that this environment keeps. `down` removes all of it but `storage`.
    """

    environment: str
    cache: Path
    root: Path

    @property
    def state(self) -> Path:
        """What runs, as JSON."""
        return self.root / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl, and for every client of ours."""
        return self.root / "kubeconfig"

    @property
    def keys(self) -> Path:
        """Certificates and keys, readable by their owner only."""
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def storage(self) -> Path:
        """What pods see as object storage. It stays when the environment goes down: models are in it."""
        return self.root / "storage"

    @property
    def instance_types(self) -> Path:
        """Machine types that Karpenter may make, as its kwok provider reads them."""
        return self.root / "instance-types.json"


def home(environment: str, project: Path) -> Home:
    """The folders of an environment of the project in `project`; none of them is made.

    Two checkouts may have environments of one name: the project's path is part of the folder's name.
    """
    where = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:_DIGEST]
    moved = os.environ.get(HOME)
    cache = platformdirs.user_cache_path("springtide") if moved is None else Path(moved).absolute() / "cache"
    data = platformdirs.user_data_path("springtide") if moved is None else Path(moved).absolute() / "data"
    return Home(environment=environment, cache=cache, root=data / "environments" / f"{environment}-{where}")
