"""This Region's replica of the keyring secret, by name. Its value is put there by people, never by a template."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from regions.functions import ProductFunction
from shared.topology import Topology


class Keyring(Construct):
    """Where the signing keys are, as functions address them: the ARN without Secrets Manager's random suffix."""

    def __init__(self, scope: Construct, construct_id: str, *, topology: Topology) -> None:
        super().__init__(scope, construct_id)
        self.secret_arn = cdk.Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=topology.keyring_secret,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def allow_read(self, grantee: ProductFunction) -> None:
        """Grant reading and announce the ARN in the environment."""
        grantee.function.add_environment("KEYRING_SECRET_ARN", self.secret_arn)
        # What is judged is the full ARN, with six more characters, also where a secret is asked for without them.
        grantee.allow(["secretsmanager:GetSecretValue"], f"{self.secret_arn}-??????")
