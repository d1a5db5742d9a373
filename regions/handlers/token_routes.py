"""`POST /token`: a name and a password for a bearer token of 30 minutes."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from regions.handlers import requests
from regions.handlers.responses import json_response
from regions.handlers.runtime import accounts, keyring_source, logger, login_tries, now
from shared.adapters.login_tries import TRY_WINDOW
from shared.adapters.settings import settings
from shared.adapters.tokens import issue
from shared.domain import problems
from shared.domain.auth import MAX_PASSWORD, password_matches, token_seconds
from shared.domain.commands import MAX_BODY_BYTES, text_of
from shared.domain.problems import FieldFault

router = APIGatewayRouter()  # type: ignore[no-untyped-call]  # as Powertools has it
MAX_FORM_FIELDS: Final = 20


def credentials() -> tuple[str, str]:
    """User name and password of a JSON body or an OAuth2 password form; raises a 4xx problem."""
    event = router.current_event
    says_form = (requests.header(event, "Content-Type") or "").lower().startswith("application/x-www-form-urlencoded")
    text = requests.body_text(event)
    # curl -d says form whatever it sends; no field of a password form begins with a brace.
    if says_form and not text.lstrip().startswith("{"):
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES:
            raise problems.too_large(MAX_BODY_BYTES)
        try:
            body: object = {name: values[0] for name, values in parse_qs(text, max_num_fields=MAX_FORM_FIELDS).items()}
        except ValueError as error:
            raise problems.invalid_form(f"expected at most {MAX_FORM_FIELDS} fields") from error
    else:
        body = requests.json_body(event)
    if not isinstance(body, dict):
        raise problems.invalid([{"pointer": "", "detail": "expected a JSON object"}])
    found: dict[str, str] = {}
    faults: list[FieldFault] = []
    for name, at_most in (("username", 200), ("password", MAX_PASSWORD)):
        try:
            found[name] = text_of(body.get(name), at_most=at_most)
        except ValueError as error:
            faults.append({"pointer": f"/{name}", "detail": str(error)})
    if faults:
        raise problems.invalid(faults)
    return found["username"], found["password"]


@router.post("/token")
def log_in() -> Response[str]:
    username, password = credentials()
    identity = router.current_event.raw_event.get("requestContext", {}).get("identity") or {}
    address = str(identity.get("sourceIp") or "unknown")
    moment = now()
    counted = login_tries().begin(username, address, now=moment)
    if counted is None:
        logger.warning("too many logins were tried")
        raise problems.too_many_attempts(int(TRY_WINDOW.total_seconds()))
    account = accounts().account(username)
    if not password_matches(account, password) or account is None:
        raise problems.unauthorized("wrong user name or password")
    login_tries().succeeded(counted, now=moment)
    seconds = token_seconds(settings().time_scale)
    token = issue(keyring_source().keyring(), account, now=moment, seconds=seconds)
    return json_response({"access_token": token, "token_type": "bearer", "expires_in": seconds})
