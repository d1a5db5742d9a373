"""The import bucket: private, encrypted, forgetful, and telling the importer, by its alias, of files that come in."""

from __future__ import annotations

from shared.topology import TOPOLOGY, live_function
from tests.infra.templates import Template, listed


def test_the_bucket_is_private_refuses_plain_http_and_forgets(template: Template, region: str) -> None:
    buckets = template.of_type("AWS::S3::Bucket")
    (name,) = (name for name, found in buckets.items() if found.get("BucketName") == TOPOLOGY.import_bucket(region))
    bucket = buckets[name]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "VersioningConfiguration" not in bucket  # a deleted file is to be gone
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["ExpirationInDays"], rule["Status"]) == (TOPOLOGY.imports.days_kept, "Enabled")
    policies = template.of_type("AWS::S3::BucketPolicy").values()
    (statements,) = (policy["PolicyDocument"]["Statement"] for policy in policies if policy["Bucket"]["Ref"] == name)
    (statement,) = statements
    where, refused, elsewhere = statement["Fn::If"]
    assert (where, elsewhere) == ("OnAws", {"Ref": "AWS::NoValue"})
    assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_s3_calls_the_importers_alias_for_what_comes_in_and_never_for_its_results(
    template: Template, region: str
) -> None:
    bucket, arn = TOPOLOGY.import_bucket(region), f"arn:aws:s3:::{TOPOLOGY.import_bucket(region)}"
    (found,) = (it for it in template.resources.values() if it.get("Properties", {}).get("BucketName") == bucket)
    (told,) = found["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    assert template.render(told["Function"]) == f"${{Alias:{live_function('importer')}}}"
    assert told["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "inbox/"}]
    permissions = template.of_type("AWS::Lambda::Permission")
    (name,) = (name for name, it in permissions.items() if it["Principal"] == "s3.amazonaws.com")
    assert template.render(permissions[name]["SourceArn"]) == arn
    assert name in listed(found["DependsOn"])  # S3 tries it out when the bucket is made


def test_what_lambda_gives_up_of_a_file_is_kept_with_its_reason(template: Template) -> None:
    """The importer counts on Lambda's three attempts, so nothing may be said of them."""
    found = template.asynchronous("importer")
    (kept,) = found["DestinationConfig"].values()
    assert set(found["DestinationConfig"]) == {"OnFailure"}
    assert template.render(kept["Destination"]) == f"${{Queue:{TOPOLOGY.import_dead_letter_queue}.Arn}}"
    assert not {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"} & set(found)
    (queue,) = (
        it
        for it in template.of_type("AWS::SQS::Queue").values()
        if it["QueueName"] == TOPOLOGY.import_dead_letter_queue
    )
    assert "FifoQueue" not in queue  # a destination may be none
    # The file is there as long as its event.
    assert queue["MessageRetentionPeriod"] < TOPOLOGY.imports.days_kept * 24 * 3600


def test_the_importer_may_write_to_the_queue_before_lambda_checks_that_it_may(template: Template) -> None:
    (function,) = (
        it for it in template.resources.values() if it.get("Properties", {}).get("FunctionName") == "relevo-importer"
    )
    policies = [
        name for name in listed(function["DependsOn"]) if template.resources[name]["Type"] == "AWS::IAM::Policy"
    ]
    assert template.asynchronous("importer")["FunctionName"]["Ref"] in template.resources
    rendered = [
        template.render(resource)
        for name in policies
        for statement in template.resources[name]["Properties"]["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in statement["Action"]
        for resource in listed(statement["Resource"])
    ]
    assert rendered == [f"${{Queue:{TOPOLOGY.import_dead_letter_queue}.Arn}}"]
