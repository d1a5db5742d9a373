"""The authorizer function: checks a bearer token once and lets API Gateway remember the answer.

A bad token is answered with `Unauthorized`, never with a Deny: a cached Deny would lock a client out after it logged
in again. The policy allows the whole stage, since it is cached per token and not per path; scopes are checked in the
handler. It also names the key under which API Gateway counts the request in a usage plan.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from regions.handlers.gate import TokenGate
from regions.handlers.runtime import accounts, keyring_source, logger, now
from shared.adapters.settings import settings
from shared.adapters.tokens import InvalidTokenError
from shared.domain.plans import counted_under

gate = TokenGate(keyring_source(), accounts())
keyring_source().keyring()  # bad configuration fails at start


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer a TOKEN authorizer request with a policy and the caller, or raise `Unauthorized`."""
    moment = now()
    try:
        caller = gate.caller(event.get("authorizationToken"), now=moment)
    except InvalidTokenError as error:
        logger.info("token refused", reason=str(error))
        # API Gateway turns exactly this text into a 401.
        raise Exception("Unauthorized") from None  # noqa: TRY002
    # arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>
    api, stage = event["methodArn"].split("/")[:2]
    logger.info("token accepted")
    return {
        "principalId": caller.subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{api}/{stage}/*"}],
        },
        "usageIdentifierKey": counted_under(caller.subject, caller.plans.get(settings().region), now=moment),
        # The gateway remembers this answer for minutes, the handler therefore looks at the token's end itself.
        "context": {
            "sub": caller.subject,
            "scope": " ".join(sorted(caller.scopes)),
            "exp": str(caller.expires_at),
        },
    }
