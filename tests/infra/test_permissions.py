"""Each function may do what the contract says and nothing else."""

from __future__ import annotations

from collections import defaultdict

import pytest

from shared.adapters.webhooks import WEBHOOKS
from shared.topology import STATUSES, TOPOLOGY, function_name
from tests.infra.templates import Template, listed
from tests.permissions import BY_LAMBDA, CALLED

# What no policy can narrow further, and why.
UNNARROWED = {
    "*": "X-Ray's two actions take no resource",
    "-??????": "the suffix that Secrets Manager gives a secret, six characters",
    "/inbox/*": "files are named by those who send them; nothing else lies there",
    "/results/*": "one for each file",
}
TELEMETRY = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


@pytest.fixture(scope="module")
def granted(template: Template) -> dict[str, dict[str, set[str]]]:
    """Actions by function and rendered resource."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for function, statement in template.statements():
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            found[function][template.render(resource)] |= set(listed(statement["Action"]))
    return found


def test_every_function_may_do_exactly_what_the_contract_says(
    granted: dict[str, dict[str, set[str]]], template: Template, region: str
) -> None:
    (stream,) = template.of_type("Custom::ReplicaStreamArn")
    names = {"region": region, "peer": TOPOLOGY.peer_of(region), "stream": stream}
    for part, called in CALLED.items():
        name = function_name(part)
        expected = called | BY_LAMBDA.get(part, {})
        with_logs_and_traces = {
            **{resource.format(**names): actions for resource, actions in expected.items()},
            f"${{LogGroup:/aws/lambda/{name}.Arn}}": {"logs:CreateLogStream", "logs:PutLogEvents"},
            "*": TELEMETRY,
        }
        assert granted[name] == with_logs_and_traces, name
    assert set(granted) == {function_name(part) for part in CALLED}


def test_no_action_is_a_wildcard_and_each_wide_resource_has_a_reason(granted: dict[str, dict[str, set[str]]]) -> None:
    for by_resource in granted.values():
        for resource, actions in by_resource.items():
            assert not any("*" in action for action in actions)
            if "*" in resource or "?" in resource:
                assert any(resource == wide or resource.endswith(wide) for wide in UNNARROWED), resource
            if resource == "*":
                assert actions == TELEMETRY


def test_who_needs_no_account_reaches_settings_of_webhooks_alone(template: Template) -> None:
    """Accounts lie in the same table: the API may not write one, and whoever announces may not read one."""
    narrowed = {
        (function, action)
        for function, statement in template.statements()
        for action in listed(statement["Action"])
        if any(template.render(it).endswith(f"table/{TOPOLOGY.accounts_table}") for it in listed(statement["Resource"]))
        and statement.get("Condition") == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [WEBHOOKS]}}
    }
    assert narrowed == {
        ("relevo-api", "dynamodb:PutItem"), ("relevo-api", "dynamodb:DeleteItem"), ("relevo-relay", "dynamodb:Query"),
        ("relevo-sentinel", "dynamodb:Query"),
    }  # fmt: skip
    assert not WEBHOOKS.startswith("ACCOUNT")


def test_each_function_has_a_role_of_its_own_that_only_lambda_may_assume(template: Template) -> None:
    functions = template.of_type("AWS::Lambda::Function").values()
    roles = [found["Role"]["Fn::GetAtt"][0] for found in functions]
    assert len(set(roles)) == len(roles)
    for role in roles:
        properties = template.resources[role]["Properties"]
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert "ManagedPolicyArns" not in properties


def test_announcements_for_webhooks_reach_their_queue_and_nothing_else_does(template: Template) -> None:
    (policy,) = [
        found
        for found in template.of_type("AWS::SQS::QueuePolicy").values()
        if template.render(found["Queues"][0]) == f"${{Queue:{TOPOLOGY.webhook_queue}}}"
    ]
    _, allowed = policy["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    (rule,) = [name for name, found in template.of_type("AWS::Events::Rule").items() if "EventBusName" in found]
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}}
    wanted = template.resources[rule]["Properties"]
    assert wanted["EventPattern"] == {
        "source": ["relevo"], "detail-type": ["OrderEffect"], "detail": {"webhook": [True]},
    }  # fmt: skip
    (target,) = wanted["Targets"]
    assert target["InputPath"] == "$.detail"


def test_a_call_that_fails_is_tried_as_often_as_there_are_waits_and_once_before(template: Template) -> None:
    queues = {found["QueueName"]: found for found in template.of_type("AWS::SQS::Queue").values()}
    queue = queues[TOPOLOGY.webhook_queue]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == len(TOPOLOGY.webhook_retry_seconds) + 1
    assert "FifoQueue" not in queue  # a receiver that fails may not hold up others, and events carry their time
    assert sum(TOPOLOGY.webhook_retry_seconds) < queue["MessageRetentionPeriod"]
    assert queue["VisibilityTimeout"] >= 6 * template.functions()["relevo-webhook"]["Timeout"]


def test_only_services_invoke_functions_and_only_for_a_source_of_this_stack(template: Template) -> None:
    for permission in template.of_type("AWS::Lambda::Permission").values():
        assert permission["Principal"] in ("apigateway.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com")
        assert "SourceArn" in permission
        # The ARN of a bucket names no account, and another one may have taken the name.
        assert ("SourceAccount" in permission) == (permission["Principal"] == "s3.amazonaws.com")


def test_only_alarms_of_this_account_tell_people(template: Template, region: str) -> None:
    topics = {name: found["TopicName"] for name, found in template.of_type("AWS::SNS::Topic").items()}
    policies = {
        topics[found["Topics"][0]["Ref"]]: found for found in template.of_type("AWS::SNS::TopicPolicy").values()
    }
    assert set(policies) == {TOPOLOGY.event_topic, "relevo-page", "relevo-ticket"}
    for name in ("relevo-page", "relevo-ticket"):
        _, allowed = policies[name]["PolicyDocument"]["Statement"]
        assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sns:Publish")
        assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        source = template.render(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
        assert source == f"arn:aws:cloudwatch:{region}:${{AWS::AccountId}}:alarm:relevo-*"


def test_queues_and_the_topic_refuse_plain_http_on_aws(template: Template) -> None:
    policies = template.of_type("AWS::SQS::QueuePolicy") | template.of_type("AWS::SNS::TopicPolicy")
    # The stream's failures, two of webhooks, the files that were given up, and three topics.
    assert len(policies) == 2 * len(STATUSES) + 7
    for policy in policies.values():
        first = policy["PolicyDocument"]["Statement"][0]["Fn::If"]
        assert first[0] == "OnAws"
        assert first[1]["Effect"] == "Deny"
        assert first[1]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert first[2] == {"Ref": "AWS::NoValue"}
    assert template.document["Conditions"] == {"OnAws": {"Fn::Equals": [{"Ref": "PeerAwsEndpointUrl"}, ""]}}
    assert template.document["Parameters"]["PeerAwsEndpointUrl"]["Default"] == ""
