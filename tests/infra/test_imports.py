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
