"""A client system hears of its own orders alone, signed, at least once, and Relevo calls nobody inside (I10)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

DOMAIN = "shared/domain/webhooks.py"
CALLS = "shared/adapters/webhook_calls.py"
HANDLER = "regions/handlers/webhook.py"
RELAY = "regions/handlers/relay.py"
STORED = "shared/adapters/webhooks.py"

TESTS = "tests/component/test_webhooks.py"
CALL_TESTS = "tests/component/test_webhook_calls.py"
FAILED_ONCE = "tests/simulation/test_histories.py::test_what_failed_once_holds"

MUTANTS: Final = (
    Mutant(
        "a call is signed with its body",
        "I10",
        DOMAIN,
        'signed = b"%d." % seconds + body',
        'signed = b"%d." % seconds',
        f"{TESTS}::test_the_documented_check_refuses_other_bodies_secrets_and_times",
    ),
    Mutant(
        "a call is signed with its time",
        "I10",
        DOMAIN,
        'signed = b"%d." % seconds + body',
        "signed = body",
        f"{TESTS}::test_a_client_gets_a_signed_call_about_its_order_that_a_courier_delivered",
    ),
    Mutant(
        "no private address is called",
        "I10",
        DOMAIN,
        "return found.is_global and not found.is_multicast",
        "return not found.is_multicast",
        f"{CALL_TESTS}::test_no_address_but_a_public_one_is_connected_to",
    ),
    Mutant(
        "no multicast address is called",
        "I10",
        DOMAIN,
        "return found.is_global and not found.is_multicast",
        "return found.is_global",
        f"{CALL_TESTS}::test_no_address_but_a_public_one_is_connected_to",
    ),
    Mutant(
        "no address in disguise is called",
        "I10",
        DOMAIN,
        "return found in _GLOBAL_IPV6 and not found.sixtofour and not found.teredo",
        "return True",
        f"{CALL_TESTS}::test_no_address_but_a_public_one_is_connected_to",
    ),
    Mutant(
        "the name is not resolved a second time",
        "I10",
        CALLS,
        "socket.create_connection((address, port), timeout=STEP_SECONDS)",
        "socket.create_connection((resolve(host, port)[0], port), timeout=STEP_SECONDS)",
        f"{CALL_TESTS}::test_a_call_goes_to_the_checked_address_with_the_names_certificate",
    ),
    Mutant(
        "a redirect is no success",
        "I10",
        CALLS,
        "if not 200 <= status < 300:",
        "if not 200 <= status < 400:",
        f"{CALL_TESTS}::test_anything_but_2xx_is_a_failure_and_a_redirect_is_not_followed",
    ),
    Mutant(
        "a receiver that drips is cut off",
        "I10",
        CALLS,
        "            cut_off.start()\n",
        "",
        f"{CALL_TESTS}::test_a_receiver_that_drips_is_cut_off",
    ),
    Mutant(
        "loopback is an address of the lab alone",
        "I10",
        DOMAIN,
        "not (in_lab and _is_loopback_url(url))",
        "not _is_loopback_url(url)",
        f"{CALL_TESTS}::test_loopback_is_called_in_the_lab_and_refused_on_aws",
    ),
    Mutant(
        "whose order it is is read from the log",
        "I10",
        HANDLER,
        "webhook = self.webhooks.of(first.subject)",
        "webhook = self.webhooks.of(event.subject)",
        f"{TESTS}::test_a_client_gets_a_signed_call_about_its_order_that_a_courier_delivered",
    ),
    Mutant(
        "an order stays whose it is",
        "I10",
        DOMAIN,
        "(event.precedence, event.recorded_at, event.event_id)",
        "(event.precedence[2], event.recorded_at, event.event_id)",
        f"{TESTS}::test_an_order_stays_whose_it_is_when_a_courier_tries_again",
    ),
    Mutant(
        "a receiver that hangs is left alone for a moment",
        "I10",
        HANDLER,
        "            self.silences[host].begin()\n",
        "",
        f"{TESTS}::test_a_receiver_that_keeps_callers_waiting_holds_nobody_else_up",
    ),
    Mutant(
        "a rotation that is asked for again keeps the secret in use",
        "I10",
        STORED,
        "kept = [*kept[:-1], plain] if is_again else",
        "kept = [*kept[:-1], plain] if False else",
        f"{TESTS}::test_a_rotation_whose_answer_was_lost_does_not_cut_off_the_secret_in_use",
    ),
    Mutant(
        "a rotation that is asked for again in the other Region keeps the secret in use",
        "I10",
        STORED,
        "signing = tuple(map(_secret, reversed(_signing(own))))",
        """known = [plain for plain in own if "secret" in plain]
        signing = tuple(map(_secret, sorted(known, key=lambda plain: str(plain["made_at"]), reverse=True)[:2]))""",
        FAILED_ONCE,
    ),
    Mutant(
        "a subscription without a secret drops no call",
        "I10",
        HANDLER,
        """raise CallFailedError("the subscription has no secret here: its owner has to ask for one")""",
        """return "WebhookNotWanted\"""",
        FAILED_ONCE,
    ),
    Mutant(
        "what people send back leaves the dead letters only when it was taken",
        "I10",
        "runbooks/unordered_letters.py",
        """            send(message["Body"])
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
""",
        """            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
            send(message["Body"])
""",
        "tests/simulation/test_webhook_histories.py::test_no_call_is_lost_by_a_crash_between_any_two_calls",
    ),
    Mutant(
        "a locked account hears nothing",
        "I10",
        HANDLER,
        "if account is None or account.locked:",
        "if account is None:",
        f"{TESTS}::test_who_does_not_listen_any_more_is_not_called",
    ),
    Mutant(
        "a call that failed is reported",
        "I10",
        HANDLER,
        """            failed.append({"itemIdentifier": record["messageId"]})\n""",
        "",
        f"{TESTS}::test_a_call_that_fails_comes_again_alone_and_later_each_time",
    ),
    Mutant(
        "doubt goes to the queue",
        "I10",
        STORED,
        "return frozenset(effect.event_id for effect in effects)",
        "return frozenset()",
        f"{TESTS}::test_while_subscriptions_cannot_be_read_everything_goes_to_the_queue_and_none_is_missed",
    ),
    Mutant(
        "what was announced before its order was known is told late",
        "I10",
        RELAY,
        "*self._settle([*effects, *self._told_late(events, projected)], pool),",
        "*self._settle(effects, pool),",
        f"{TESTS}::test_an_effect_announced_before_its_order_was_known_here_is_told_when_the_order_comes",
    ),
)
