"""The quotas of a GCP project. Compute Engine lists the older ones; of those since the H100 only the Cloud Quotas API knows."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

from springtide.doctor import gcloud
from springtide.doctor.quotas import Limit
from springtide.offline.quota import Ask
from springtide.target import Target
from springtide.tools import Answer, Machine

APIS = ("compute.googleapis.com", "cloudquotas.googleapis.com")
_REGION = "region"
_WITHOUT_LIMIT = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpQuotas:
    """What the project has: two lists of Compute Engine's, and one question for each quota that neither has."""

    machine: Machine
    target: Target
    listed: Mapping[str, Mapping[str, Limit]]
    """Limits by metric, for the region and for the project."""
    refused: str = ""
    """Why nothing can be asked at all: nobody is logged in, or gcloud is not there."""

    @classmethod
    def reached(cls, machine: Machine, target: Target) -> Self:
        """The project, with its lists; one that cannot be had is empty."""
        questions = {
            _REGION: ("gcloud", "compute", "regions", "describe", target.region),
            "project": ("gcloud", "compute", "project-info", "describe"),
        }
        where = ("--project", target.account, "--format", "json")
        with ThreadPoolExecutor() as beside:
            answers = list(beside.map(lambda words: machine.ask(*words, *where), questions.values()))
        mute = [gcloud.why(answer) for answer in answers if gcloud.mute(answer)]
        listed = {scope: _listed(answer) for scope, answer in zip(questions, answers, strict=True)}
        return cls(machine=machine, target=target, listed=listed, refused=mute[0] if mute else "")

    def limit(self, ask: Ask) -> Limit:
        """What the project has of a quota."""
        if self.refused:
            return Limit(why=self.refused, fix=gcloud.LOGIN)
        found = self.listed[ask.quota.scope].get(ask.quota.code)
        return self._single(ask) if found is None else found

    def request(self, ask: Ask) -> str:
        """The command that asks for more."""
        dimensions = ",".join(f"{key}={value}" for key, value in self._dimensions(ask).items())
        return (
            f"gcloud beta quotas preferences create --service {ask.quota.service} --project {self.target.account} "
            f"--quota-id {quota_id(ask)} --preferred-value {ask.most} "
            f'{f"--dimensions {dimensions} " if dimensions else ""}--email "$(gcloud config get account)"'
        )

    def _single(self, ask: Ask) -> Limit:
        """What the Cloud Quotas API says."""
        words = ("beta", "quotas", "info", "describe", quota_id(ask), "--service", ask.quota.service)
        answer = self.machine.ask("gcloud", *words, "--project", self.target.account, "--format", "json")
        said = answer.json()
        if not answer.good or not isinstance(said, dict):
            fix = f"gcloud services enable {' '.join(APIS)} --project {self.target.account}"
            return Limit(why=gcloud.why(answer), fix=gcloud.fix(answer, fix))
        value = value_in(said.get("dimensionsInfos", []), self._dimensions(ask))
        if value is None:
            return Limit(
                why="Google gives no number, which it also does where nothing was granted", fix=self.request(ask)
            )
        return Limit(value=value)

    def _dimensions(self, ask: Ask) -> Mapping[str, str]:
        place = {_REGION: self.target.region} if ask.quota.scope == _REGION else {}
        return {**place, **dict(ask.quota.dimensions)}


def quota_id(ask: Ask) -> str:
    """The id of a quota in the Cloud Quotas API, whose older ones Compute Engine knows by their metric."""
    code, scope = ask.quota.code, ask.quota.scope
    if "-per-" in code:
        return code
    return f"{code.replace('_', '-')}-per-project{'-region' if scope == _REGION else ''}"


def value_in(infos: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]) -> float | None:
    """The limit for these dimensions; None where none is given.

    The closest wins: what names the place goes before what does not, and then what names more
    (cloud.google.com/docs/quotas/configure-dimensions).
    """
    fitting = [info for info in infos if _fits(info, wanted)]
    if not fitting:
        return None
    value = max(fitting, key=_closeness).get("details", {}).get("value")
    if value is None:
        return None
    return math.inf if value == _WITHOUT_LIMIT else float(value)


def _fits(info: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    places = info.get("applicableLocations") or []
    here = not places or wanted.get(_REGION, "global") in places
    return here and all(wanted.get(key) == value for key, value in _named(info).items())


def _closeness(info: Mapping[str, Any]) -> tuple[bool, int]:
    return (_REGION in _named(info), len(_named(info)))


def _named(info: Mapping[str, Any]) -> Mapping[str, str]:
    """The dimensions that a limit names; an answer has null in place of none."""
    return info.get("dimensions") or {}


def _listed(answer: Answer) -> Mapping[str, Limit]:
    """Limits by metric, in an answer of Compute Engine."""
    said = answer.json() if answer.good else None
    items = said.get("quotas", []) if isinstance(said, dict) else []
    return {item["metric"]: Limit(value=float(item["limit"]), used=float(item.get("usage", 0))) for item in items}
