"""Twilio's Python library against the rest of the sandbox: its other products, its rules and its refusals."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from twilio.base.exceptions import TwilioException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.content.v1.content import ContentList
from twilio.rest.messaging.v2.channels_sender import ChannelsSenderList

from library import client_of, refusal
from play import ACCOUNT_SID, AUTH_TOKEN, AVA, BEN, ORDER_UPDATE, SENDER, SERVICE, eventually

SMS_SENDER = "+14155550100"
AVA_BY_SMS = AVA.removeprefix("whatsapp:")
WHATSAPP_SENDER_SID = "XE" + "0" * 31 + "1"


@pytest.fixture
def client(sandbox) -> Client:
    return client_of(sandbox)


def code_of(call, *arguments, **parameters) -> tuple[int, int]:
    error = refusal(call, *arguments, **parameters)
    return error.status, error.code


def page_code_of(call, **parameters) -> tuple[int, int]:
    """As `code_of`, for a list: there the library raises an exception that has the whole response."""
    with pytest.raises(TwilioException) as raised:
        call(**parameters)
    _, response = raised.value.args
    return response.status_code, json.loads(response.text)["code"]


def failure(client, message) -> int:
    """The error code with which a message ends."""
    return eventually(lambda: client.messages(message.sid).fetch().error_code, f"that {message.sid} fails")


def scheduled(**parameters) -> dict:
    send_at = datetime.now(timezone.utc) + timedelta(hours=20)
    return {"schedule_type": "fixed", "send_at": send_at, "content_sid": ORDER_UPDATE, "body": None, **parameters}


REFUSALS = {
    "SMS sender for WhatsApp": ({"from_": SMS_SENDER}, 21910),
    "WhatsApp sender for SMS": ({"to": AVA_BY_SMS}, 21910),
    "number that is not Twilio's": ({"to": AVA_BY_SMS, "from_": "+14155550199"}, 21659),
    "number of another account": ({"to": AVA_BY_SMS, "from_": "+14155550101"}, 21660),
    "number without SMS": ({"to": AVA_BY_SMS, "from_": "+14155550102"}, 21661),
    "no sender": ({"from_": None}, 21603),
    "no recipient": ({"to": ""}, 21604),
    "unknown service": ({"from_": None, "messaging_service_sid": "MG" + "f" * 32}, 21705),
    "sender of no service": ({"messaging_service_sid": SERVICE, "from_": "whatsapp:+14155550199"}, 21711),
    "empty variable": ({"body": None, "content_sid": ORDER_UPDATE, "content_variables": '{"1": ""}'}, 21656),
    "variables that are no JSON": ({"body": None, "content_sid": ORDER_UPDATE, "content_variables": "1=Ava"}, 21656),
    "eleven files": ({"media_url": ["https://example.com/a.png"] * 11}, 21623),
    "emoji that need two places": ({"body": "\U0001f600" * 801}, 21617),
    "validity of a day": ({"validity_period": 86_400}, 21624),
    "unknown retention": ({"content_retention": "obfuscate"}, 30029),
    "unknown address retention": ({"address_retention": "discard"}, 30030),
    "schedule without a service": (scheduled(), 35118),
    "schedule without a time": (scheduled(messaging_service_sid=SERVICE, send_at=None), 35111),
    "another type of schedule": (scheduled(messaging_service_sid=SERVICE, schedule_type="optimize"), 35126),
    "schedule for now": (scheduled(messaging_service_sid=SERVICE, send_at=datetime.now(timezone.utc)), 35114),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_wrong_message_is_refused_with_its_own_code(client, case):
    parameters, code = REFUSALS[case]
    given = {"to": AVA, "from_": SENDER, "body": "hi", **parameters}
    assert code_of(client.messages.create, **{name: value for name, value in given.items() if value is not None}) == (
        400,
        code,
    )


def test_variables_that_do_not_match_fail_after_the_answer(client, receiver):
    def create(variables, **more):
        return client.messages.create(
            to=AVA, from_=SENDER, content_sid=ORDER_UPDATE, content_variables=json.dumps(variables),
            status_callback=receiver.status_url, **more,
        )

    assert failure(client, create({"1": "Ava", "9": "more"})) == 63028
    assert failure(client, create({"1": "Ava\nBen"})) == 63013
    assert failure(client, create({"1": "x" * 1024})) == 63021
    assert failure(client, create({}, media_url=["https://example.com/a.png"])) == 63030
    missing = create({"1": "Ava"})
    receiver.expect_status(missing.sid, "read")
    assert missing.fetch().body == "Hello Ava, your order 18473 is on its way."


def test_message_is_changed_by_redaction_or_cancellation_only(sandbox, client):
    message = client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE)
    update = client.messages(message.sid).update
    for parameters in [{}, {"body": "more"}, {"status": "sent"}, {"body": "", "status": "canceled"}]:
        assert code_of(update, **parameters) == (400, 30400)
    assert code_of(update, status="canceled") == (400, 30409)
    sandbox.control("PUT", "choices", {"late_cancellation": "409"})
    assert code_of(update, status="canceled") == (409, 30409)


def test_lists_refuse_wrong_pages(client):
    client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE)
    assert page_code_of(client.messages.page, page_size=1001) == (400, 20007)
    assert page_code_of(client.messages.page, page_token="nonsense") == (400, 21481)
    assert page_code_of(client.content.v1.contents.page, page_size=1001) == (400, 20007)
    assert page_code_of(client.content.v1.contents.page, page_token="nonsense") == (400, 21481)
    assert len(list(client.messages.stream(page_size=1000))) == 1


def test_message_over_the_rate_waits_for_its_turn(sandbox, client, receiver):
    sandbox.control("PUT", "rules", {**sandbox.control("GET", "rules").json(), "messages_per_second": 0})
    message = client.messages.create(
        to=AVA, from_=SENDER, content_sid=ORDER_UPDATE, status_callback=receiver.status_url
    )
    assert client.messages.list() == []
    assert message.fetch().status == "queued"
    sandbox.advance(4 * 60 * 60)
    assert receiver.expect_status(message.sid, "failed").form["ErrorCode"] == "30036"


@pytest.mark.parametrize("status", ["failed", "undelivered"])
def test_broken_rule_ends_as_chosen(sandbox, client, receiver, status):
    sandbox.control("PUT", "choices", {"broken_rule": status})
    message = client.messages.create(to=AVA, from_=SENDER, body="news", status_callback=receiver.status_url)
    assert receiver.expect_status(message.sid, status).form["ErrorCode"] == "63016"
    assert (message.fetch().status, message.fetch().error_code) == (status, 63016)


def test_opt_out_is_answered_at_once_or_later(sandbox, client, receiver):
    sandbox.write(AVA, "OptOut")
    assert receiver.expect_message("OptOut").form["OptOutType"] == "STOP"
    assert code_of(client.messages.create, to=AVA, from_=SENDER, content_sid=ORDER_UPDATE) == (400, 21610)
    sandbox.control("PUT", "choices", {"opted_out": "fails", "long_code_keywords": "excluded"})
    assert failure(client, client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE)) == 21610
    sandbox.write(BEN, "Revoke")
    assert "OptOutType" not in receiver.expect_message("Revoke").form


def test_webhook_has_the_metadata_of_whatsapp(sandbox, receiver):
    sandbox.write(AVA, "hi", frequently_forwarded=True)
    form = receiver.expect_message("hi").form
    assert json.loads(form["ChannelMetadata"]) == {
        "type": "whatsapp",
        "data": {
            "context": {
                "Forwarded": "true", "FrequentlyForwarded": "true", "ProfileName": "Ava", "WaId": "14155550123"
            }
        },
    }
    assert (form["Forwarded"], form["FrequentlyForwarded"]) == ("true", "true")
    assert form["ExternalUserId"].startswith("whatsapp:US.")


def test_senders_move_between_messaging_services(client):
    services = client.messaging.v1.services
    service = services.create(friendly_name="Orders", validity_period=600, status_callback="https://example.com/status")
    assert (service.friendly_name, service.validity_period) == ("Orders", 600)
    assert code_of(client.messages.create, to=AVA, messaging_service_sid=service.sid, body="hi") == (400, 21704)
    [number] = services(SERVICE).phone_numbers.list()
    assert number.phone_number == SMS_SENDER
    assert code_of(service.phone_numbers.create, phone_number_sid=number.sid) == (409, 21712)
    assert services(SERVICE).phone_numbers(number.sid).delete()
    added = service.phone_numbers.create(phone_number_sid=number.sid)
    assert (added.service_sid, added.fetch().phone_number) == (service.sid, SMS_SENDER)
    assert code_of(service.phone_numbers.create, phone_number_sid=number.sid) == (409, 21710)
    assert code_of(client.messages.create, to=AVA, messaging_service_sid=service.sid, body="hi") == (400, 21703)
    assert client.messages.create(to=AVA_BY_SMS, messaging_service_sid=service.sid, body="hi").status == "accepted"
    [sender] = services(SERVICE).channel_senders.list()
    assert (sender.sid, sender.sender) == (WHATSAPP_SENDER_SID, SENDER)
    assert services(SERVICE).channel_senders(sender.sid).delete()
    assert service.channel_senders.create(sid=sender.sid).messaging_service_sid == service.sid
    assert services(service.sid).channel_senders(sender.sid).fetch().sender == SENDER
    assert services(service.sid).delete()
    assert code_of(services(service.sid).fetch) == (404, 20404)


def test_sender_has_webhook_and_profile(client):
    senders = client.messaging.v2.channels_senders
    update = ChannelsSenderList.MessagingV2ChannelsSenderRequestsUpdate
    changed = senders(WHATSAPP_SENDER_SID).update(
        update({"webhook": {"callback_url": "https://example.com/in", "callback_method": "POST"}})
    )
    assert changed.webhook["callback_url"] == "https://example.com/in"
    fetched = senders(WHATSAPP_SENDER_SID).fetch()
    assert (fetched.sender_id, fetched.webhook["callback_url"]) == (SENDER, "https://example.com/in")
    wrong = update({"webhook": {"callback_url": "https://example.com/in", "callback_method": "PUT"}})
    assert code_of(senders(WHATSAPP_SENDER_SID).update, wrong) == (400, 63100)
    assert code_of(senders("XE" + "f" * 32).fetch) == (404, 20404)


def test_typing_indicator_answers_a_message(sandbox, client):
    received = sandbox.write(AVA, "hi")["message_sid"]
    indicate = client.messaging.v2.typing_indicator.create
    assert indicate(channel="whatsapp", message_id=received).success is True
    sent = client.messages.create(to=AVA, from_=SENDER, body="hello").sid
    assert refusal(indicate, channel="whatsapp", message_id=sent).status == 400
    assert refusal(indicate, channel="sms", message_id=received).status == 400


def test_account_is_fetched(client):
    account = client.api.v2010.accounts(ACCOUNT_SID).fetch()
    assert (account.sid, account.status) == (ACCOUNT_SID, "active")


def test_secondary_token_is_withdrawn(sandbox, client):
    secondary = client.accounts.v1.secondary_auth_token().create().secondary_auth_token
    assert client_of(sandbox, password=secondary).messages.list() == []
    assert client.accounts.v1.secondary_auth_token().delete()
    assert page_code_of(client_of(sandbox, password=secondary).messages.list) == (401, 20003)
    assert code_of(client.accounts.v1.auth_token_promotion().update) == (404, 20404)


CONTENTS = {
    "twilio/media": {"body": "Look", "media": ["https://example.com/a.png"]},
    "twilio/location": {"latitude": 52.5, "longitude": -13.4, "label": "Office"},
    "twilio/list-picker": {"body": "Which?", "button": "Choose", "items": [{"id": "a", "item": "One"}]},
    "twilio/call-to-action": {
        "body": "Track it", "actions": [{"type": "URL", "title": "Track", "url": "https://example.com/1"}]
    },
    "twilio/card": {"title": "Order", "actions": [{"type": "QUICK_REPLY", "title": "Yes", "id": "yes"}]},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_content_of_each_type_is_sent_within_the_window(sandbox, client, receiver, kind):
    sandbox.control("PUT", "rules", {**sandbox.control("GET", "rules").json(), "fetch_media": False})
    sandbox.write(AVA, "hi")
    content = client.content.v1.contents.create(
        ContentList.ContentCreateRequest({"friendly_name": "any", "language": "en", "types": {kind: CONTENTS[kind]}})
    )
    message = client.messages.create(
        to=AVA, from_=SENDER, content_sid=content.sid, status_callback=receiver.status_url
    )
    receiver.expect_status(message.sid, "read")
    assert content.sid in [found.sid for found in client.content.v2.contents.list()]
    sandbox.advance(24 * 60 * 60)
    assert failure(client, client.messages.create(to=AVA, from_=SENDER, content_sid=content.sid)) == 63016


def test_verification_is_deleted_when_it_is_over(sandbox, client):
    service = client.verify.v2.services.create(friendly_name="Shop", code_length=4)
    assert service.code_length == 4
    verifications, check = service.verifications, service.verification_checks.create
    started = verifications.create(to=AVA_BY_SMS, channel="sms", custom_code="1234")
    assert service.verifications(started.sid).fetch().status == "pending"
    assert code_of(check, code="1234") == (400, 60221)
    assert check(verification_sid=started.sid, code="1234").valid is True
    assert code_of(service.verifications(started.sid).fetch) == (404, 20404)

    again = verifications.create(to=AVA_BY_SMS, channel="sms", custom_code="1234")
    assert again.sid != started.sid
    for _ in range(5):
        assert check(to=AVA_BY_SMS, code="0000").status == "pending"
    assert code_of(check, to=AVA_BY_SMS, code="1234") == (429, 60202)
    assert code_of(service.verifications(again.sid).fetch) == (404, 20404)

    cancelled = verifications.create(to=AVA_BY_SMS, channel="sms")
    assert service.verifications(cancelled.sid).update(status="canceled").status == "canceled"
    assert service.verifications(cancelled.sid).fetch().status == "canceled"

    expired = verifications.create(to=AVA_BY_SMS, channel="sms")
    for _ in range(4):
        assert verifications.create(to=AVA_BY_SMS, channel="sms").sid == expired.sid
    assert code_of(verifications.create, to=AVA_BY_SMS, channel="sms") == (429, 60203)
    sandbox.advance(10 * 60)
    assert code_of(service.verifications(expired.sid).fetch) == (404, 20404)
    assert code_of(verifications.create, to=AVA_BY_SMS, channel="call") == (400, 60223)
    assert client.verify.v2.services(service.sid).delete()


def test_change_of_a_template_is_an_event_for_each_sink(sandbox, client, receiver):
    destination = f"{receiver.url}/twilio/events"
    sink = client.events.v1.sinks.create(
        description="Templates", sink_type="webhook", sink_configuration={"destination": destination, "method": "POST"}
    )
    assert sink.status == "active"
    kind = "com.twilio.messaging.template.approval.updated"
    subscription = client.events.v1.subscriptions.create(
        description="Templates", sink_sid=sink.sid, types=[{"type": kind, "schema_version": 1}]
    )
    assert [found.sid for found in client.events.v1.subscriptions.list(sink_sid=sink.sid)] == [subscription.sid]
    assert [event.type for event in client.events.v1.subscriptions(subscription.sid).subscribed_events.list()] == [kind]
    sandbox.control("PUT", f"templates/{ORDER_UPDATE}", {"status": "paused"})
    call = receiver.expect(lambda call: call.path.startswith("/twilio/events"), "the event")
    assert RequestValidator(AUTH_TOKEN).validate(call.url, call.body, call.headers["X-Twilio-Signature"])
    [event] = json.loads(call.body)
    template = event["data"]["template"]
    assert (event["type"], template["previousValue"], template["currentValue"]) == (kind, "approved", "paused")
    assert client.events.v1.sinks(sink.sid).sink_test.create().result == "submitted"
    [tested] = json.loads(receiver.expect(lambda call: "test-event" in call.body, "the test event").body)
    validated = client.events.v1.sinks(sink.sid).sink_validate.create(test_id=tested["data"]["test_id"])
    assert validated.result == "valid"
    assert client.events.v1.subscriptions(subscription.sid).delete()
    assert client.events.v1.sinks(sink.sid).delete()
    assert client.events.v1.sinks.list() == []


def test_event_types_have_their_schemas(client):
    kind = "com.twilio.messaging.template.approval.updated"
    event_type = client.events.v1.event_types(kind).fetch()
    assert kind in [found.type for found in client.events.v1.event_types.list()]
    schema = client.events.v1.schemas(event_type.schema_id).fetch()
    [version] = client.events.v1.schemas(schema.id).versions.list()
    assert (schema.latest_version, version.schema_version, version.id) == (1, 1, schema.id)
