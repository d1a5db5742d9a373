"""The gateway: which function answers what, who is asked for a token, and how fast anyone may call."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.topology import LIVE, TOPOLOGY, function_name, live_function
from tests.infra.templates import Template

README = Path(__file__).parents[2] / "README.md"
API, HEALTH = function_name("api"), function_name("health")
# Method, path, answering function, whether the gateway asks for a token.
CONTRACT = (
    ("POST", "/token", API, False),
    ("POST", "/v1/orders", API, True),
    ("GET", "/v1/orders", API, True),
    ("GET", "/v1/orders/A-1", API, True),
    ("POST", "/v1/orders/A-1/events", API, True),
    ("GET", "/v1/metrics", API, True),
    ("GET", "/v1/status", API, True),
    ("GET", "/health", HEALTH, False),
    ("GET", "/control/drained/us-east-1", HEALTH, False),
    ("GET", "/openapi.json", API, False),
    ("POST", "/registrar_pedido_entregado", API, False),
    ("GET", "/pedidos", API, False),
    ("GET", "/metrics", API, False),
    ("POST", "/v1/order", API, False),
    # What no route knows reaches the handler, which says so; below /v1 not without a token.
    ("GET", "/", API, False),
    ("GET", "/nothing/here", API, False),
    ("DELETE", "/health", API, False),
    ("GET", "/control", API, False),
    ("PUT", "/control/drained/us-east-1", API, False),
    ("GET", "/v1", API, True),
    ("DELETE", "/v1/orders/A-1", API, True),
    ("GET", "/v1/orders/A-1/events", API, True),
    ("GET", "/v1/anything/else", API, True),
    # A browser's preflight carries no token.
    ("OPTIONS", "/v1/orders", API, False),
    ("OPTIONS", "/v1/orders/A-1/events", API, False),
    ("OPTIONS", "/v1/anything/else", API, False),
)


class Gateway:
    """Finds the method of a request as API Gateway does: the most exact path first, a named method before ANY."""

    def __init__(self, template: Template) -> None:
        self._template = template
        resources = template.of_type("AWS::ApiGateway::Resource")
        paths = {name: self._path(name, resources) for name in resources}
        self.methods: dict[str, dict[str, Any]] = {}
        for found in template.of_type("AWS::ApiGateway::Method").values():
            path = paths.get(found["ResourceId"].get("Ref", ""), "/")
            self.methods.setdefault(path, {})[found["HttpMethod"]] = found

    def _path(self, name: str, resources: dict[str, Any]) -> str:
        parent = resources[name]["ParentId"].get("Ref")
        return f"{self._path(parent, resources) if parent else ''}/{resources[name]['PathPart']}"

    def find(self, method: str, path: str) -> dict[str, Any]:
        wanted = [part for part in path.split("/") if part]
        for depth in range(len(wanted) + 1):
            for candidate in sorted(self.methods, key=lambda known: known.count("{")):
                parts = [part for part in candidate.split("/") if part]
                if self._matches(parts, wanted, exact=depth == 0, at_least=len(wanted) - depth):
                    known = self.methods[candidate]
                    return known.get(method) or known["ANY"]
        raise AssertionError(f"no method for {method} {path}")

    @staticmethod
    def _matches(parts: list[str], wanted: list[str], *, exact: bool, at_least: int) -> bool:
        greedy = bool(parts) and parts[-1] == "{proxy+}"
        if exact == greedy:
            return False
        fixed = parts[:-1] if greedy else parts
        if len(fixed) != (at_least if greedy else len(wanted)):
            return False
        return all(part == given or part.startswith("{") for part, given in zip(fixed, wanted, strict=False))

    def function_of(self, method: dict[str, Any]) -> str:
        assert method["Integration"]["Type"] == "AWS_PROXY"
        uri = self._template.render(method["Integration"]["Uri"])
        return uri.partition("${Alias:")[2].partition("}")[0].removesuffix(f":{LIVE}")


@pytest.fixture(scope="module")
def gateway(template: Template) -> Gateway:
    return Gateway(template)


@pytest.mark.parametrize(("method", "path", "function", "guarded"), CONTRACT)
def test_each_route_has_its_function_and_its_guard(
    gateway: Gateway, method: str, path: str, function: str, guarded: bool
) -> None:
    found = gateway.find(method, path)
    assert gateway.function_of(found) == function
    assert (found["AuthorizationType"] == "CUSTOM") is guarded
    assert ("AuthorizerId" in found) is guarded


def test_every_path_answers_every_method(gateway: Gateway) -> None:
    for path, methods in gateway.methods.items():
        assert "ANY" in methods, f"{path}: the gateway itself would answer 403"


def test_the_authorizer_asks_its_function_for_tokens_and_remembers_five_minutes(template: Template) -> None:
    authorizer = template.only("AWS::ApiGateway::Authorizer")
    assert authorizer["Type"] == "TOKEN"
    assert authorizer["IdentitySource"] == "method.request.header.Authorization"
    assert authorizer["AuthorizerResultTtlInSeconds"] == 300
    uri = template.render(authorizer["AuthorizerUri"])
    assert f"/functions/${{Alias:{live_function('authorizer')}}}/invocations" in uri


def test_one_region_alone_may_carry_the_largest_step(template: Template) -> None:
    load = TOPOLOGY.baseline
    throttles = {
        (setting["ResourcePath"], setting["HttpMethod"]): setting
        for setting in template.only("AWS::ApiGateway::Stage")["MethodSettings"]
    }
    writes, reads = load.orders_per_second * max(load.steps), load.reads_per_second * max(load.steps)
    needed = {
        ("/~1v1~1orders", "POST"): writes,
        ("/~1v1~1orders~1{order_id}~1events", "POST"): writes,
        ("/~1registrar_pedido_entregado", "POST"): writes,
        ("/~1v1~1order", "POST"): writes,
        ("/~1v1~1orders", "GET"): reads,
        ("/~1v1~1metrics", "GET"): reads,
        ("/*", "*"): reads,
        ("/~1token", "POST"): 10,
        ("/~1health", "GET"): 10,
        ("/~1control~1drained~1{region}", "GET"): 10,
    }
    for key, rate in needed.items():
        assert throttles[key]["ThrottlingRateLimit"] >= 2 * rate
        assert throttles[key]["ThrottlingBurstLimit"] >= throttles[key]["ThrottlingRateLimit"]


def test_health_has_a_throttle_of_its_own(template: Template) -> None:
    settings = template.only("AWS::ApiGateway::Stage")["MethodSettings"]
    paths = [setting["ResourcePath"] for setting in settings]
    assert {"/~1health", "/~1control~1drained~1{region}"} <= set(paths)


def test_both_names_lead_to_the_stage_with_tls_that_health_checkers_speak(template: Template, region: str) -> None:
    api = template.only("AWS::ApiGateway::RestApi")
    assert api["DisableExecuteApiEndpoint"] is True
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    domains = template.of_type("AWS::ApiGateway::DomainName")
    names = {TOPOLOGY.api_name, TOPOLOGY.region_api_name(region)}
    assert {found["DomainName"] for found in domains.values()} == names
    for found in domains.values():
        assert found["SecurityPolicy"] == "TLS_1_2"
        assert found["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    certificate = template.only("AWS::CertificateManager::Certificate")
    assert certificate["ValidationMethod"] == "DNS"
    assert {certificate["DomainName"], *certificate["SubjectAlternativeNames"]} == names
    mapped = [found["DomainName"]["Ref"] for found in template.of_type("AWS::ApiGateway::BasePathMapping").values()]
    assert sorted(mapped) == sorted(domains)


def test_the_gateways_own_answers_are_problems_with_the_handlers_headers(template: Template, region: str) -> None:
    statuses = {}
    for response in template.of_type("AWS::ApiGateway::GatewayResponse").values():
        body = json.loads(response["ResponseTemplates"]["application/json"])
        headers = {name.rpartition(".")[2]: value for name, value in response["ResponseParameters"].items()}
        assert str(body["status"]) == response["StatusCode"]
        assert {"type", "title", "status", "detail"} == set(body)
        assert headers["Content-Type"] == "'application/problem+json'"
        assert headers["X-Region"] == f"'{region}'"
        assert headers["X-Correlation-Id"] == "context.requestId"
        assert headers["Access-Control-Allow-Origin"] == "'*'"
        assert ("Retry-After" in headers) is (body["status"] in (429, 503, 504))
        statuses[response["ResponseType"]] = body["status"]
    assert statuses["UNAUTHORIZED"] == 401
    assert statuses["MISSING_AUTHENTICATION_TOKEN"] == 404
    assert statuses["REQUEST_TOO_LARGE"] == 413
    assert statuses["THROTTLED"] == statuses["QUOTA_EXCEEDED"] == 429
    assert statuses["INVALID_API_KEY"] == 503  # a key that the authorizer named is never the client's fault
    assert statuses["AUTHORIZER_FAILURE"] == 503
    (listed,) = re.findall(r"where the gateway must:(.*?)`regions/gateway_responses.py`", README.read_text(), re.DOTALL)
    assert set(map(int, re.findall(r"\b[45]\d\d\b", listed))) == set(statuses.values())


def test_requests_are_logged_and_traced(template: Template) -> None:
    stage = template.only("AWS::ApiGateway::Stage")
    assert stage["TracingEnabled"] is True
    assert "requestId" in stage["AccessLogSetting"]["Format"]
    everything = next(setting for setting in stage["MethodSettings"] if setting["ResourcePath"] == "/*")
    assert everything["LoggingLevel"] == "ERROR"
    assert not everything.get("DataTraceEnabled")  # bodies and tokens stay out of the logs
