"""The page on AWS: private buckets that CloudFront alone reads, a failover between them, headers that allow little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests.lab.site import Site
from shared.topology import TOPOLOGY
from tests.infra.templates import Template, listed

BUILT = {"index.html": "<p>", "reference.html": "<p>", "assets/a-1.js": "1"}


@pytest.fixture(scope="session")
def everywhere(assembly: Path) -> Template:
    return Template.read(assembly, "relevo-site")


@pytest.fixture(scope="session")
def distribution(everywhere: Template) -> dict[str, Any]:
    found: dict[str, Any] = everywhere.only("AWS::CloudFront::Distribution")["DistributionConfig"]
    return found


def headers_policies(everywhere: Template) -> dict[str, Any]:
    found = everywhere.of_type("AWS::CloudFront::ResponseHeadersPolicy")
    return {name: policy["ResponseHeadersPolicyConfig"] for name, policy in found.items()}


def test_the_bucket_is_private_encrypted_and_read_by_cloudfront_alone(template: Template, region: str) -> None:
    buckets = template.of_type("AWS::S3::Bucket")
    (name,) = (name for name, found in buckets.items() if found.get("BucketName") == TOPOLOGY.site_bucket(region))
    bucket = buckets[name]
    assert "." not in bucket["BucketName"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    policies = template.of_type("AWS::S3::BucketPolicy").values()
    (statements,) = (policy["PolicyDocument"]["Statement"] for policy in policies if policy["Bucket"]["Ref"] == name)
    (allowed,) = (statement for statement in statements if statement["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert listed(allowed["Action"]) == ["s3:GetObject"]
    source = template.render(allowed["Condition"]["ArnLike"]["AWS:SourceArn"])
    assert source == "arn:aws:cloudfront::${AWS::AccountId}:distribution/*"
    (refused,) = (statement for statement in statements if statement["Effect"] == "Deny")
    assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_each_regions_bucket_is_an_origin_and_the_second_one_answers_when_the_first_does_not(
    distribution: dict[str, Any], everywhere: Template
) -> None:
    origins = {origin["Id"]: origin for origin in distribution["Origins"]}
    (group,) = distribution["OriginGroups"]["Items"]
    names = [origins[member["OriginId"]]["DomainName"] for member in group["Members"]["Items"]]
    assert names == [f"{TOPOLOGY.site_bucket(region)}.s3.{region}.amazonaws.com" for region in TOPOLOGY.region_names]
    assert {500, 502, 503, 504} <= set(group["FailoverCriteria"]["StatusCodes"]["Items"])
    behaviors = [distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]]
    assert {behavior["TargetOriginId"] for behavior in behaviors} == {group["Id"]}
    for origin in origins.values():
        assert everywhere.render(origin["OriginAccessControlId"]).startswith("${OriginAccessControl:")
        assert origin["ConnectionAttempts"] * origin["ConnectionTimeout"] <= 2


def test_browsers_speak_tls_1_2_or_newer_and_only_read(distribution: dict[str, Any]) -> None:
    assert distribution["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    for behavior in (distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]):
        assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behavior["AllowedMethods"] == ["GET", "HEAD"]
        assert behavior["Compress"] is True


def test_the_domain_leads_to_the_page_over_both_versions_of_ip(
    everywhere: Template, distribution: dict[str, Any]
) -> None:
    assert distribution["Aliases"] == [TOPOLOGY.domain]
    records = list(everywhere.of_type("AWS::Route53::RecordSet").values())
    assert {(record["Name"], record["Type"]) for record in records} == {
        (f"{TOPOLOGY.domain}.", "A"),
        (f"{TOPOLOGY.domain}.", "AAAA"),
    }
    for record in records:
        assert everywhere.render(record["AliasTarget"]["DNSName"]).startswith("${Distribution:")


def test_the_policy_of_the_page_allows_its_own_files_and_the_api_and_nothing_inline(everywhere: Template) -> None:
    policies = headers_policies(everywhere)
    assert len(policies) == 2
    for policy in policies.values():
        text = policy["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
        rules = {rule.split()[0]: rule.split()[1:] for rule in text.split("; ")}
        assert rules["default-src"] == ["'none'"]
        assert rules["script-src"] == rules["style-src"] == ["'self'"]
        assert rules["connect-src"] == ["'self'", f"https://{TOPOLOGY.api_name}"]
        assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
        assert "unsafe" not in text
        assert "*" not in text


def test_the_lab_sends_the_headers_of_the_template(assembly: Path, tmp_path: Path) -> None:
    for name, text in BUILT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    site = Site.read(tmp_path, assembly)
    assert site
    pages = [site.response("GET", "/"), site.response("GET", "/reference.html")]
    part = site.response("GET", "/assets/a-1.js")
    assert part
    for page in pages:
        assert page
        assert (page.body, page.content_type) == (b"<p>", "text/html")
        assert page.headers["Cache-Control"] == "public, max-age=60"
    assert part.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert part.content_type == "text/javascript"
    for answer in (*pages, part):
        assert answer
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
    for method, path in (("POST", "/"), ("GET", "/health"), ("GET", "/assets/../secret"), ("GET", "/assets/none.js")):
        assert site.response(method, path) is None


def test_a_page_that_is_not_built_is_no_site(assembly: Path, tmp_path: Path) -> None:
    assert Site.read(tmp_path, assembly) is None
    (tmp_path / "index.html").write_text("<p>")
    assert Site.read(tmp_path, tmp_path) is None
