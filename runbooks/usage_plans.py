"""API Gateway's keys of client systems in one Region: its control plane, which only operators' commands call."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from shared.domain.plans import EVERYONES_KEY, key_of
from shared.topology import EVERYONES_PLAN, PLAN_PREFIX


class NoSuchPlanError(Exception):
    """A Region has no usage plan of that name."""


class PlanKeys:
    """The keys of one Region, each on one plan."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def of(self, username: str) -> dict[str, str]:
        """The account's keys: their ids by the plan that each is for."""
        prefix = _name(username, "")
        return {
            plan: key["id"]
            for page in self._client.get_paginator("get_api_keys").paginate(nameQuery=prefix, includeValues=True)
            for key in page["items"]
            if key["value"] == key_of(username, plan := key["name"].removeprefix(prefix))
        }

    def admit(self, username: str, plan: str) -> None:
        """Make the account's key on a plan, unless it is there; raises ``NoSuchPlanError`` before it makes one."""
        usage_plan = self._plan(plan)
        key = self.of(username).get(plan)
        if key is None:
            made = self._client.create_api_key(
                name=_name(username, plan),
                value=key_of(username, plan),
                enabled=True,
                description="relevo account plan",
            )
            key = made["id"]
        try:
            self._client.create_usage_plan_key(usagePlanId=usage_plan, keyId=key, keyType="API_KEY")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":  # it is on that plan already
                raise

    def remove(self, key_id: str) -> None:
        """Delete a key, which takes it off its plan."""
        self._client.delete_api_key(apiKey=key_id)

    def has_everyones(self) -> bool:
        """Whether there is the key of whoever is on no plan, without which a method may not ask for keys."""
        name = f"{PLAN_PREFIX}{EVERYONES_PLAN}"
        pages = self._client.get_paginator("get_api_keys").paginate(nameQuery=name, includeValues=True)
        return any(key["value"] == EVERYONES_KEY for page in pages for key in page["items"])

    def _plan(self, plan: str) -> str:
        name = f"{PLAN_PREFIX}{plan}"
        for page in self._client.get_paginator("get_usage_plans").paginate():
            for found in page["items"]:
                if found["name"] == name:
                    return str(found["id"])
        raise NoSuchPlanError(name)


def _name(username: str, plan: str) -> str:
    return f"relevo {username} {plan}"
