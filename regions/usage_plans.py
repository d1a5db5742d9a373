"""What client systems may ask of this Region, plan by plan, and the plan without limits of everybody else.

The same in every Region. Keys of accounts are no part of it: `relevo account plan` makes them.
"""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from shared.domain.plans import EVERYONES_KEY
from shared.topology import EVERYONES_PLAN, PLAN_PREFIX, Topology


class UsagePlans(Construct):
    """The usage plans of the stage; API Gateway counts each key of a plan by itself."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, api: apigateway.RestApi) -> None:
        super().__init__(scope, construct_id)
        stage = apigateway.UsagePlanPerApiStage(api=api, stage=api.deployment_stage)
        for plan in topology.usage_plans:
            apigateway.UsagePlan(
                self,
                plan.name,
                name=f"{PLAN_PREFIX}{plan.name}",
                api_stages=[stage],
                throttle=apigateway.ThrottleSettings(rate_limit=plan.requests_per_second, burst_limit=plan.burst),
                quota=apigateway.QuotaSettings(limit=plan.requests_a_day, period=apigateway.Period.DAY),
            )
        # A method that asks for a key refuses whoever has none: couriers, operators and clients without a plan share
        # this one, under the stage's throttles alone.
        everyone = apigateway.UsagePlan(self, EVERYONES_PLAN, name=f"{PLAN_PREFIX}{EVERYONES_PLAN}", api_stages=[stage])
        everyone.add_api_key(
            apigateway.ApiKey(self, "EveryonesKey", api_key_name=f"{PLAN_PREFIX}{EVERYONES_PLAN}", value=EVERYONES_KEY)
        )
