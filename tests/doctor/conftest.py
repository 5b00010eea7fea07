"""A machine on which everything is well, and a project."""

from pathlib import Path

import pytest
from tests.doctor import doctor_cases as cases
from tests.environment_files import BASE, project
from tests.fake_programs import FakePrograms

from springtide.doctor import quotas


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """A machine on which everything is well."""
    made = FakePrograms(tmp_path / "bin")
    made.folder.mkdir()
    cases.pulumi(made)
    cases.aws(made)
    cases.gcloud(made)
    cases.kubectl(made)
    made.add("gke-gcloud-auth-plugin")
    made.add("docker")
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    cases.credentials(tmp_path, type="authorized_user", quota_project_id="my-project")
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return project(tmp_path / "project", BASE)


@pytest.fixture(autouse=True)
def planned(monkeypatch: pytest.MonkeyPatch) -> cases.Planned:
    """In place of the planner, which takes seconds: the plan of the cloud, or the one that a test hands in."""
    monkeypatch.setattr(quotas, "plan_environment", lambda _root, name: cases.plan("gcp" if name == "gcp" else "aws"))
    return lambda plan: monkeypatch.setattr(quotas, "plan_environment", lambda *_: plan)
