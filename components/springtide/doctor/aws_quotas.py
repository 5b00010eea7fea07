"""The quotas of an AWS account in one region, as Service Quotas tells them."""

from collections.abc import Mapping
from typing import Any, Self

from springtide.doctor.quotas import Limit
from springtide.offline.quota import Ask
from springtide.target import Target
from springtide.tools import ABSENT, Answer, Machine

SERVICE = "ec2"
"""Whose quotas are listed: those of every machine."""
_RIGHT = "it takes credentials that may call servicequotas:ListServiceQuotas"
_ACCOUNT = 4
"""Where an ARN names the account, counted from 0."""


class AwsQuotas:
    """What the account has, listed once; what it never had changed is asked for one by one."""

    def __init__(self, machine: Machine, target: Target, listed: Answer) -> None:
        self._machine, self._target, self._listed = machine, target, listed
        said = listed.json() if listed.good else None
        items = said.get("Quotas", []) if isinstance(said, dict) else None
        self._granted = None if items is None else {item["QuotaCode"]: item for item in items}

    @classmethod
    def reached(cls, machine: Machine, target: Target) -> Self:
        """The account, with its list. Without rights or a login it knows no limit, and why."""
        words = ("service-quotas", "list-service-quotas", "--service-code", SERVICE, "--region", target.region)
        return cls(machine, target, machine.ask("aws", *words, "--output", "json"))

    def limit(self, ask: Ask) -> Limit:
        """What the account has of a quota: what it was granted, else what every account begins with."""
        if self._granted is None:
            absent = self._listed.status == ABSENT
            return Limit(why="only aws could say, and it is not there" if absent else self._listed.why, fix=_RIGHT)
        if not ask.quota.code:
            return Limit(why="public sources disagree on its code", fix=f"look for it by name: {self._listing()}")
        if ask.quota.code in self._granted:
            return self._of(self._granted[ask.quota.code])
        return self._first(ask)

    def request(self, ask: Ask) -> str:
        """The command that asks for more."""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {ask.quota.service} "
            f"--quota-code {ask.quota.code} --desired-value {ask.most} --region {self._target.region}"
        )

    def _first(self, ask: Ask) -> Limit:
        """What every account begins with: the list has no quota that was never granted."""
        words = ("service-quotas", "get-aws-default-service-quota", "--service-code", ask.quota.service)
        where = ("--quota-code", ask.quota.code, "--region", self._target.region, "--output", "json")
        answer = self._machine.ask("aws", *words, *where)
        said = answer.json()
        if not answer.good or not isinstance(said, dict):
            return Limit(why=answer.why, fix=f"look for it by name: {self._listing()}")
        return self._of(said["Quota"])

    def _of(self, item: Mapping[str, Any]) -> Limit:
        """The limit in an answer, if it is about the account in the file; a default is about no account."""
        account = str(item.get("QuotaArn", "")).split(":")[_ACCOUNT : _ACCOUNT + 1]
        if account not in ([], [""], [self._target.account]):
            return Limit(why=f"these are credentials of {account[0]}", fix="see the row `account`")
        return Limit(value=float(item["Value"]))

    def _listing(self) -> str:
        shown = "--query 'Quotas[].[QuotaCode,QuotaName,Value]' --output table"
        where = f"--service-code {SERVICE} --region {self._target.region}"
        return f"aws service-quotas list-service-quotas {where} {shown}"
