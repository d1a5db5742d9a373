"""All that exists once per Region. The stacks of two Regions differ by Region names and by nothing else."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from regions.alarms import Alarms
from regions.api import Api
from regions.dashboard import Dashboard
from regions.faults import Faults
from regions.firewall import Firewall
from regions.functions import ProductFunction, Surroundings
from regions.imports import Imports
from regions.keyring import Keyring
from regions.order_view import OrderView
from regions.pipeline import Pipeline
from regions.release import Release
from regions.replica import Replicas, allow
from regions.routing import Routing, hosted_zone
from regions.sentinel import Sentinel
from regions.site_bucket import SiteBucket
from regions.webhooks import allow_on_settings
from shared.sizing import check
from shared.topology import LIST_INDEX, PENDING_INDEX, Topology


class RegionStack(cdk.Stack):
    """One serving Region: API, pipeline, read model, sentinel and routing, over its replicas of the global tables."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, region: str, package: Path) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(region=region),
            description=f"Relevo in {region}",
            # The CLI checks the bootstrap version by itself; without the rule a template deploys anywhere.
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            termination_protection=True,
        )
        check(topology)
        surroundings = self._surroundings(topology, region, package)
        replicas = Replicas(self, "Replicas", surroundings=surroundings)
        view = OrderView(self, "OrderView", topology=topology)
        keyring = Keyring(self, "Keyring", topology=topology)
        pipeline = Pipeline(self, "Pipeline", surroundings=surroundings, replicas=replicas, view=view)
        imports = Imports(self, "Imports", surroundings=surroundings, replicas=replicas, view=view)
        Sentinel(
            self,
            "Sentinel",
            surroundings=surroundings,
            replicas=replicas,
            view=view,
            announcer=pipeline.announcer,
            dead_letters=[*pipeline.dead_letters, imports.dead_letters],
        )
        zone = hosted_zone(self, topology)
        api_function = _api_function(self, surroundings, replicas, view, keyring)
        api = Api(
            self,
            "Api",
            topology=topology,
            region=region,
            zone=zone,
            api_function=api_function.live,
            health_function=_health_function(self, surroundings, replicas, keyring).live,
            authorizer_function=_authorizer_function(self, surroundings, replicas, keyring).live,
        )
        Firewall(self, "Firewall", topology=topology, stage_arn=api.stage_arn)
        Routing(
            self,
            "Routing",
            topology=topology,
            region=region,
            zone=zone,
            everyones_name=api.everyones_name,
            own_name=api.own_name,
        )
        SiteBucket(self, "Site", topology=topology, region=region)
        alarms = Alarms(self, "Alarms", topology=topology, region=region, on_aws=surroundings.on_aws)
        Faults(self, "Faults", surroundings=surroundings, signals=alarms.signals, api=api_function)
        Dashboard(self, "Dashboard", topology=topology, region=region)
        Release(
            self, "Release", functions=[found for found in self.node.find_all() if isinstance(found, ProductFunction)]
        )
        cdk.CfnOutput(self, "ApiId", value=api.rest_api.rest_api_id)
        cdk.CfnOutput(self, "ApiStage", value=api.rest_api.deployment_stage.stage_name)

    def _surroundings(self, topology: Topology, region: str, package: Path) -> Surroundings:
        peer = topology.peer_of(region)
        time_scale = cdk.CfnParameter(
            self,
            "TimeScale",
            type="Number",
            default=1,
            min_value=0.001,
            max_value=1,
            description="Multiplies every wait of the product",
        )
        peer_endpoint = cdk.CfnParameter(
            self,
            "PeerEndpoint",
            default=f"https://{topology.region_api_name(peer)}",
            allowed_pattern="https?://.+",
            description="Base URL of the peer Region's API",
        )
        peer_aws_endpoint_url = cdk.CfnParameter(
            self,
            "PeerAwsEndpointUrl",
            default="",
            description="Where the peer Region's AWS services are, if not at AWS",
        )
        return Surroundings(
            topology=topology,
            region=region,
            peer=peer,
            code=lambda_.Code.from_asset(str(package)),
            on_aws=cdk.CfnCondition(
                self, "OnAws", expression=cdk.Fn.condition_equals(peer_aws_endpoint_url.value_as_string, "")
            ),
            environment={
                "ORDER_LOG_TABLE": topology.order_log_table,
                "ORDER_VIEW_TABLE": topology.order_view_table,
                "ACCOUNTS_TABLE": topology.accounts_table,
                "CONTROL_TABLE": topology.control_table,
                "TIME_SCALE": time_scale.value_as_string,
                "PEER_REGION": peer,
                "PEER_ENDPOINT": peer_endpoint.value_as_string,
                "PEER_AWS_ENDPOINT_URL": peer_aws_endpoint_url.value_as_string,
                "POWERTOOLS_METRICS_NAMESPACE": "Relevo",
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
        )


def _api_function(
    scope: Construct, surroundings: Surroundings, replicas: Replicas, view: OrderView, keyring: Keyring
) -> ProductFunction:
    api = ProductFunction(
        scope,
        "ApiFunction",
        surroundings=surroundings,
        part="api",
        module="api",
        size=surroundings.topology.api,
        description="Answers every route but health and control",
    )
    allow(replicas.order_log, api, "GetItem", "Query", "PutItem")
    allow(replicas.accounts, api, "Query")
    allow_on_settings(replicas, api, "PutItem", "DeleteItem")
    allow(replicas.control, api, "GetItem", "Query")
    view.allow(api, "GetItem", "BatchGetItem", "Query", "UpdateItem", "PutItem")  # writes: the counters of logins
    view.allow_query(api, LIST_INDEX, PENDING_INDEX)
    keyring.allow_read(api)
    return api


def _health_function(
    scope: Construct, surroundings: Surroundings, replicas: Replicas, keyring: Keyring
) -> ProductFunction:
    """On its own, so that full business functions never make this Region look ill."""
    health = ProductFunction(
        scope,
        "HealthFunction",
        surroundings=surroundings,
        part="health",
        module="health",
        size=surroundings.topology.health,
        description="Says whether this Region serves, and whether this replica knows a Region as drained",
    )
    allow(replicas.order_log, health, "GetItem")
    allow(replicas.control, health, "GetItem")
    keyring.allow_read(health)
    return health


def _authorizer_function(
    scope: Construct, surroundings: Surroundings, replicas: Replicas, keyring: Keyring
) -> ProductFunction:
    authorizer = ProductFunction(
        scope,
        "AuthorizerFunction",
        surroundings=surroundings,
        part="authorizer",
        module="authorizer",
        size=surroundings.topology.authorizer,
        description="Accepts or refuses the token of a v1 request",
    )
    allow(replicas.accounts, authorizer, "Query")
    keyring.allow_read(authorizer)
    return authorizer
