"""The built dashboard page, answered by the lab's edge as CloudFront would: same files, same headers.

The headers come from the distribution in the synthesized template, by path. Caching, compression and the failover
between the two buckets are left to AWS.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web

STACK: Final = "relevo-site"
ROOT_OBJECT: Final = "index.html"

Headers = dict[str, str]


class Site:
    """The files of the page, read once, each with its headers."""

    def __init__(self, files: Mapping[str, bytes], distribution: Mapping[str, Any], policies: Mapping[str, Headers]):
        self._files = files
        self._default: str = distribution["DefaultCacheBehavior"]["ResponseHeadersPolicyId"]["Ref"]
        self._behaviors: list[tuple[str, str]] = [
            (behavior["PathPattern"], behavior["ResponseHeadersPolicyId"]["Ref"])
            for behavior in distribution.get("CacheBehaviors", [])
        ]
        self._policies = policies

    @classmethod
    def read(cls, folder: Path, templates: Path) -> Self | None:
        """The page as it was built and synthesized, or ``None`` where one of both is missing."""
        template = templates / f"{STACK}.template.json"
        if not (folder / ROOT_OBJECT).is_file() or not template.is_file():
            return None
        files = {
            f"/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        files["/"] = files[f"/{ROOT_OBJECT}"]
        resources: dict[str, Any] = json.loads(template.read_text())["Resources"]
        policies = {
            name: headers_of(found["Properties"]["ResponseHeadersPolicyConfig"])
            for name, found in resources.items()
            if found["Type"] == "AWS::CloudFront::ResponseHeadersPolicy"
        }
        (distribution,) = (
            found["Properties"]["DistributionConfig"]
            for found in resources.values()
            if found["Type"] == "AWS::CloudFront::Distribution"
        )
        return cls(files, distribution, policies)

    def response(self, method: str, path: str) -> web.Response | None:
        """The page's answer, or ``None`` where the page has no such file and the API is asked."""
        if method not in ("GET", "HEAD") or path not in self._files:
            return None
        policy = next((policy for pattern, policy in self._behaviors if fnmatchcase(path, pattern)), self._default)
        kind, _ = mimetypes.guess_type(ROOT_OBJECT if path == "/" else path)
        return web.Response(
            body=self._files[path],
            content_type=kind or "application/octet-stream",
            headers=self._policies[policy],
        )


def headers_of(policy: Mapping[str, Any]) -> Headers:
    """The headers that a response headers policy of a template adds."""
    headers: Headers = {item["Header"]: item["Value"] for item in policy["CustomHeadersConfig"]["Items"]}
    security = policy["SecurityHeadersConfig"]
    headers["Content-Security-Policy"] = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    headers["X-Frame-Options"] = security["FrameOptions"]["FrameOption"]
    headers["Referrer-Policy"] = security["ReferrerPolicy"]["ReferrerPolicy"]
    headers["X-Content-Type-Options"] = "nosniff"
    transport = security["StrictTransportSecurity"]
    subdomains = "; includeSubDomains" if transport["IncludeSubdomains"] else ""
    headers["Strict-Transport-Security"] = f"max-age={transport['AccessControlMaxAgeSec']}{subdomains}"
    return headers
