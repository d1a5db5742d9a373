"""The dashboard page for browsers: CloudFront over the bucket of every Region, under the domain's own name.

A stack of its own, since its certificate needs a domain that is delegated already. Origins are found by name, and one
that fails is passed over for the other, so the page comes while a Region is lost. Nothing of the API goes through here:
the page asks `api.<domain>` by itself.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from regions.routing import hosted_zone
from shared.topology import Topology

REGION = "us-east-1"  # CloudFront takes certificates from here only
ASSETS = "/assets/*"  # their names hold a hash of their contents
# A bucket says 403 for what it does not have. Either bucket has everything, so the other one is worth asking.
PASSED_OVER = [403, 404, 500, 502, 503, 504]
YEAR = cdk.Duration.days(365)
MINUTE = cdk.Duration.minutes(1)


class SiteStack(cdk.Stack):
    """The dashboard page under the domain's own name."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(region=REGION),
            description="Relevo's dashboard",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            termination_protection=True,
        )
        Site(self, "Site", topology=topology, zone=hosted_zone(self, topology))


class Site(Construct):
    """A distribution with a failover between the Regions' buckets, and the domain's records that lead to it."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology, zone: route53.IHostedZone) -> None:
        super().__init__(scope, construct_id)
        self._topology = topology
        first, second = (self._origin(region) for region in topology.region_names)
        origin = origins.OriginGroup(primary_origin=first, fallback_origin=second, fallback_status_codes=PASSED_OVER)
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment="Relevo's dashboard",
            domain_names=[topology.domain],
            certificate=acm.Certificate(
                self,
                "Certificate",
                domain_name=topology.domain,
                validation=acm.CertificateValidation.from_dns(zone),
            ),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            default_root_object="index.html",
            default_behavior=self._behavior(origin, "Page", MINUTE, "public, max-age=60"),
            additional_behaviors={
                ASSETS: self._behavior(origin, "Assets", YEAR, "public, max-age=31536000, immutable")
            },
        )
        for construct_id_, record in (("Address", route53.ARecord), ("AddressV6", route53.AaaaRecord)):
            record(
                self,
                construct_id_,
                zone=zone,
                record_name=topology.domain,
                target=route53.RecordTarget.from_alias(targets.CloudFrontTarget(distribution)),
            )
        self._acknowledge(distribution)

    def _origin(self, region: str) -> cloudfront.IOrigin:
        bucket = s3.Bucket.from_bucket_attributes(
            self, f"Bucket-{region}", bucket_name=self._topology.site_bucket(region), region=region
        )
        # One short try: the next one is the other Region's.
        return origins.S3BucketOrigin.with_origin_access_control(
            bucket, connection_attempts=1, connection_timeout=cdk.Duration.seconds(2)
        )

    def _behavior(
        self, origin: cloudfront.IOrigin, kind: str, kept: cdk.Duration, cache_control: str
    ) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origin,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            compress=True,
            cache_policy=cloudfront.CachePolicy(
                self,
                f"{kind}Cache",
                comment=f"Relevo's dashboard: {kind.lower()}",
                min_ttl=cdk.Duration.seconds(1),
                default_ttl=kept,
                max_ttl=kept,
                enable_accept_encoding_gzip=True,
                enable_accept_encoding_brotli=True,
            ),
            response_headers_policy=self._headers(kind, cache_control),
        )

    def _headers(self, kind: str, cache_control: str) -> cloudfront.ResponseHeadersPolicy:
        """The lab's edge sends the same ones: it reads them from this policy in the template."""
        custom = {
            "Cache-Control": cache_control,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        }
        return cloudfront.ResponseHeadersPolicy(
            self,
            f"{kind}Headers",
            comment=f"Relevo's dashboard: {kind.lower()}",
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in custom.items()
                ]
            ),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=content_security_policy(self._topology), override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=YEAR, include_subdomains=True, override=True
                ),
            ),
        )

    def _acknowledge(self, distribution: cloudfront.Distribution) -> None:
        for rule, reason in (
            ("AwsSolutions-CFR1", "People travel, and the page alone tells nothing: the API asks for a token."),
            (
                "AwsSolutions-CFR2",
                "Static files, cached at the edge: there is no input to filter. The API has its own WAF.",
            ),
            (
                "AwsSolutions-CFR3",
                "Who loads a page without data is nobody's business here; the API logs what is asked of it.",
            ),
        ):
            cdk.Validations.of(distribution).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))


def content_security_policy(topology: Topology) -> str:
    """The page's own files and the API, and nothing else; no inline code, and no text that becomes code."""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        f"connect-src 'self' https://{topology.api_name}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)
