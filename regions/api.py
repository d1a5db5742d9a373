"""The HTTP front of one Region: routes, who authorizes them, how fast they may be called, and under which names.

The gateway decides nothing about orders: unknown routes and bad bodies reach the handler, which answers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from constructs import Construct

from regions.functions import LOG_RETENTION
from regions.gateway_responses import add_gateway_responses
from regions.usage_plans import UsagePlans
from shared.sizing import Pace, sizes_of
from shared.topology import Topology

API_NAME = "relevo"
STAGE_NAME = "live"
# Everything below this path needs a token that the gateway's authorizer accepts, save OPEN_IN_V1.
AUTHORIZED = "/v1"
# Clients of an old system call it and expect its errors, so its handler asks for the token itself.
OPEN_IN_V1 = ("/v1/order",)
AUTHORIZER_CACHE_SECONDS = 300


@dataclass(frozen=True)
class Route:
    """A method with a throttle or a handler of its own; every other method of its path goes to the api function."""

    method: str
    path: str
    pace: Literal["write", "read", "login", "health"]


ROUTES = (
    Route("POST", "/v1/orders", "write"),
    Route("GET", "/v1/orders", "read"),
    Route("GET", "/v1/orders/{order_id}", "read"),
    Route("POST", "/v1/orders/{order_id}/events", "write"),
    Route("GET", "/v1/metrics", "read"),
    Route("GET", "/v1/status", "read"),
    Route("PUT", "/v1/webhook", "write"),
    Route("GET", "/v1/webhook", "read"),
    Route("DELETE", "/v1/webhook", "write"),
    Route("POST", "/v1/webhook/secret", "write"),
    Route("POST", "/v1/order", "write"),
    Route("POST", "/registrar_pedido_entregado", "write"),
    Route("GET", "/pedidos", "read"),
    Route("GET", "/metrics", "read"),
    Route("POST", "/token", "login"),
    Route("GET", "/health", "health"),
    Route("GET", "/control/drained/{region}", "health"),
    Route("GET", "/openapi.json", "read"),
)
CATCH_ALL = ("/{proxy+}", "/v1/{proxy+}")


class Api(Construct):
    """The REST API, its stage ``live``, and the custom domains that lead to it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        region: str,
        zone: route53.IHostedZone,
        api_function: lambda_.IFunction,
        health_function: lambda_.IFunction,
        authorizer_function: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        sizes = sizes_of(topology)
        paces = {"write": sizes.write, "read": sizes.read, "login": sizes.login, "health": sizes.health}
        access_log = logs.LogGroup(self, "AccessLog", retention=LOG_RETENTION, removal_policy=cdk.RemovalPolicy.DESTROY)
        self.rest_api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=API_NAME,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # Only the custom names are served, so nobody pins a client to a Region by accident.
            disable_execute_api_endpoint=True,
            # A key in a header would be asked of every client, and be somebody else's to send.
            api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER,
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=cdk.RemovalPolicy.RETAIN,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE_NAME,
                throttling_rate_limit=paces["read"].rate,
                throttling_burst_limit=paces["read"].burst,
                method_options={f"{route.path}/{route.method}": _throttle(paces[route.pace]) for route in ROUTES},
                metrics_enabled=True,
                tracing_enabled=True,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                access_log_destination=apigateway.LogGroupLogDestination(access_log),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=False,
                    http_method=True,
                    ip=False,  # whose request it was is nobody's business here; WAF counts addresses
                    protocol=False,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=False,
                ),
            ),
        )
        # The gateway would make this group itself, and keep its lines for ever.
        errors = logs.LogGroup(
            self,
            "ErrorLog",
            log_group_name=f"API-Gateway-Execution-Logs_{self.rest_api.rest_api_id}/{STAGE_NAME}",
            retention=LOG_RETENTION,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.rest_api.deployment_stage.node.add_dependency(errors)
        # The gateway counts 429 among all 4XX; its log tells them apart (but need not keep up with a flood of them).
        logs.MetricFilter(
            self,
            "Throttled",
            log_group=access_log,
            filter_name="relevo-throttled",
            filter_pattern=logs.FilterPattern.string_value("$.status", "=", "429"),
            metric_namespace="Relevo",
            metric_name="ThrottledRequests",
            metric_value="1",
        )
        self._authorizer = apigateway.TokenAuthorizer(
            self,
            "Authorizer",
            authorizer_name="relevo",
            handler=authorizer_function,
            identity_source=apigateway.IdentitySource.header("Authorization"),
            validation_regex="^[Bb]earer [-._0-9A-Za-z]+$",
            results_cache_ttl=cdk.Duration.seconds(AUTHORIZER_CACHE_SECONDS),
        )
        self._counts_plans = topology.counts_plans
        self._add_routes(_integration(api_function), _integration(health_function))
        UsagePlans(self, "UsagePlans", topology=topology, api=self.rest_api)
        add_gateway_responses(self.rest_api, region=region)
        self._acknowledge()
        certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=topology.api_name,
            subject_alternative_names=[topology.region_api_name(region)],
            validation=acm.CertificateValidation.from_dns(zone),
        )
        self.everyones_name = self._domain_name("EveryonesName", topology.api_name, certificate)
        self.own_name = self._domain_name("OwnName", topology.region_api_name(region), certificate)

    @property
    def stage_arn(self) -> str:
        return self.rest_api.deployment_stage.stage_arn

    def _add_routes(self, api: apigateway.Integration, health: apigateway.Integration) -> None:
        for route in ROUTES:
            self._add_method(route.path, route.method, health if route.pace == "health" else api)
        for path in CATCH_ALL:
            self.rest_api.root.resource_for_path(path)
        for resource in self._resources():
            self._add_method(resource.path, "ANY", api)
            if _is_guarded(resource.path):
                # Browsers ask without a token whether they may ask with one.
                self._add_method(resource.path, "OPTIONS", api)

    def _resources(self) -> list[apigateway.IResource]:
        """Every resource, those on the way to a route included: without a method the gateway would answer 403."""
        found = [node for node in self.rest_api.node.find_all() if isinstance(node, apigateway.Resource)]
        return [self.rest_api.root, *found]

    def _add_method(self, path: str, method: str, integration: apigateway.Integration) -> None:
        resource = self.rest_api.root.resource_for_path(path)
        if _is_guarded(path) and method != "OPTIONS":
            added = resource.add_method(
                method,
                integration,
                authorizer=self._authorizer,
                authorization_type=apigateway.AuthorizationType.CUSTOM,
                api_key_required=self._counts_plans,
            )
        else:
            added = resource.add_method(method, integration, authorization_type=apigateway.AuthorizationType.NONE)
            cdk.Validations.of(added).acknowledge(
                cdk.Acknowledgment(
                    id="AwsSolutions-APIG4",
                    reason="Public by contract (login, health, openapi), a browser's preflight, or the handler asks "
                    "for the token itself: the old systems' clients expect errors of another shape.",
                )
            )
        cdk.Validations.of(added).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-COG4",
                reason="Accounts and keyring are Relevo's own and live in both Regions; a Cognito pool lives in one.",
            )
        )

    def _domain_name(self, construct_id: str, name: str, certificate: acm.ICertificate) -> apigateway.DomainName:
        return apigateway.DomainName(
            self,
            construct_id,
            domain_name=name,
            certificate=certificate,
            endpoint_type=apigateway.EndpointType.REGIONAL,
            # Route 53's health checkers speak TLS 1.2 at most: a 1.3-only policy would fail this Region.
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
            mapping=self.rest_api,
        )

    def _acknowledge(self) -> None:
        cdk.Validations.of(self.rest_api).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-APIG2",
                reason="The handler validates every body, naming each bad field; the gateway's answer cannot.",
            ),
        )
        cdk.Validations.of(self.rest_api.node.find_child("CloudWatchRole")).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]",
                reason="API Gateway asks for this policy of AWS by name for the account's one logging role.",
            )
        )


def _is_guarded(path: str) -> bool:
    return (path == AUTHORIZED or path.startswith(f"{AUTHORIZED}/")) and path not in OPEN_IN_V1


def _throttle(pace: Pace) -> apigateway.MethodDeploymentOptions:
    return apigateway.MethodDeploymentOptions(throttling_rate_limit=pace.rate, throttling_burst_limit=pace.burst)


def _integration(function: lambda_.IFunction) -> apigateway.LambdaIntegration:
    """One permission for all methods: one each would outgrow a function's policy of 20 KB."""
    return apigateway.LambdaIntegration(function, scope_permission_to_method=False)
