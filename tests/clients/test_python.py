"""Twilio's Python library against the sandbox: the library as it is installed, with only its base URL pointed there."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from twilio.rest import Client
from twilio.rest.content.v1.content import ContentList
from twilio.rest.content.v1.content.approval_create import ApprovalCreateList

from library import client_of, refusal, signed
from play import (
    ACCOUNT_SID,
    API_KEY,
    API_KEY_SECRET,
    AUTH_TOKEN,
    AVA,
    BEN,
    ORDER_UPDATE,
    SENDER,
    SERVICE,
    eventually,
)

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e3660000"
    "000049454e44ae426082"
)


@pytest.fixture
def client(sandbox) -> Client:
    return client_of(sandbox)


@pytest.mark.parametrize("credentials", [(ACCOUNT_SID, AUTH_TOKEN), (API_KEY, API_KEY_SECRET)])
def test_message_with_either_credentials_is_sent_and_read(sandbox, receiver, credentials):
    sandbox.write(AVA, "hi")
    messages = client_of(sandbox, *credentials).messages
    created = messages.create(to=AVA, from_=SENDER, body="Hello Ava", status_callback=receiver.status_url)
    assert created.status == "queued"
    assert created.direction == "outbound-api"
    assert created.num_media == "0"
    assert created.account_sid == ACCOUNT_SID
    assert created.from_ == SENDER
    assert created.to == AVA
    assert created.date_created and not created.date_sent and created.error_code is None
    for status in ["sent", "delivered", "read"]:
        assert signed(receiver.expect_status(created.sid, status), AUTH_TOKEN)
    fetched = messages(created.sid).fetch()
    assert fetched.body == "Hello Ava"
    assert fetched.status == "read"
    assert abs(datetime.now(timezone.utc) - fetched.date_sent) < timedelta(minutes=1)


def test_message_is_priced_after_its_last_status(sandbox, client, receiver):
    sandbox.write(AVA, "hi")
    created = client.messages.create(to=AVA, from_=SENDER, body="Hello Ava", status_callback=receiver.status_url)
    assert (created.price, created.price_unit) == (None, None)
    receiver.expect_status(created.sid, "delivered")
    eventually(lambda: client.messages(created.sid).fetch().price, "that the message was priced")
    listed = client.messages.list(to=AVA, limit=1)[0]
    assert (listed.sid, listed.price, listed.price_unit) == (created.sid, "-0.00500", "USD")


def test_messaging_service_chooses_the_sender(client, receiver):
    parameters = {"content_sid": ORDER_UPDATE, "content_variables": json.dumps({"1": "Ava", "2": "A-17"})}
    message = client.messages.create(
        to=AVA, messaging_service_sid=SERVICE, status_callback=receiver.status_url, **parameters
    )
    assert message.status == "accepted"
    assert message.from_ is None
    assert message.messaging_service_sid == SERVICE
    queued = receiver.expect_status(message.sid, "queued")
    assert queued.form["MessagingServiceSid"] == SERVICE
    receiver.expect_status(message.sid, "read")
    fetched = message.fetch()
    assert fetched.from_ == SENDER
    assert "Ava" in fetched.body and "A-17" in fetched.body


def test_lists_are_paged_and_filtered(client):
    sids = [
        client.messages.create(to=to, from_=SENDER, content_sid=ORDER_UPDATE).sid for to in [AVA, AVA, BEN, AVA, AVA]
    ]
    for_ava = [sid for number, sid in enumerate(sids) if number != 2]
    page = client.messages.page(page_size=2)
    seen = []
    while page:
        found = [message.sid for message in page]
        assert len(found) <= 2
        seen += found
        page = page.next_page()
    assert seen == sids[::-1]
    assert [message.sid for message in client.messages.list(to=AVA, page_size=3)] == for_ava[::-1]
    assert [message.sid for message in client.messages.list(limit=2)] == sids[:2:-1]
    eventually(lambda: all(message.date_sent for message in client.messages.list()), "that all were sent")
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    assert len(client.messages.list(from_=SENDER, date_sent=now)) == 5
    assert len(client.messages.list(date_sent_after=now - day, date_sent_before=now + day)) == 5
    assert client.messages.list(date_sent_after=now + day) == []
    assert client.messages.list(date_sent_before=now - day) == []


def test_message_is_redacted_and_deleted(sandbox, client, receiver):
    sandbox.write(AVA, "hi")
    message = client.messages.create(to=AVA, from_=SENDER, body="secret", status_callback=receiver.status_url)
    receiver.expect_status(message.sid, "read")
    assert message.update(body="").body == ""
    assert message.fetch().body == ""
    assert message.delete()
    missing = refusal(message.fetch)
    assert missing.status == 404
    assert missing.code == 20404


def test_scheduled_message_is_cancelled_or_sent_at_its_time(sandbox, client, receiver):
    def schedule():
        return client.messages.create(
            to=AVA,
            messaging_service_sid=SERVICE,
            content_sid=ORDER_UPDATE,
            schedule_type="fixed",
            send_at=datetime.now(timezone.utc) + timedelta(hours=20),
            status_callback=receiver.status_url,
        )

    waiting, cancelled = schedule(), schedule()
    assert waiting.status == "scheduled"
    assert cancelled.update(status="canceled").status == "canceled"
    receiver.expect_status(cancelled.sid, "canceled")
    assert refusal(client.messages(cancelled.sid).update, status="canceled").code == 30409
    sandbox.advance(24 * 60 * 60)
    receiver.expect_status(waiting.sid, "read")
    assert cancelled.fetch().status == "canceled"


def test_media_is_received_and_sent(sandbox, client, receiver):
    url = receiver.serve("/cat.png", "image/png", PNG)
    inbound = sandbox.write(AVA, "look", media=[{"url": url, "content_type": "image/png"}])["message_sid"]
    [file] = client.messages(inbound).media.list()
    assert file.content_type == "image/png"
    assert file.parent_sid == inbound
    assert client.messages(inbound).media(file.sid).fetch().sid == file.sid
    assert client.messages(inbound).fetch().num_media == "1"
    outbound = client.messages.create(
        to=AVA, from_=SENDER, body="nice", media_url=[url], status_callback=receiver.status_url
    )
    assert outbound.num_media == "1"
    receiver.expect_status(outbound.sid, "read")
    [sent] = outbound.media.list()
    assert sent.content_type == "image/png"
    assert client.messages(outbound.sid).media(sent.sid).delete()
    assert outbound.media.list() == []
    assert refusal(client.messages(outbound.sid).media(sent.sid).fetch).code == 20404


def test_missing_media_fails_with_63019(sandbox, client, receiver):
    sandbox.write(AVA, "hi")
    missing = f"{receiver.url}/missing.png"
    message = client.messages.create(to=AVA, from_=SENDER, media_url=[missing], status_callback=receiver.status_url)
    failed = receiver.expect(lambda call: call.form.get("ErrorCode") == "63019", "63019")
    assert failed.form["MessageSid"] == message.sid
    assert failed.form["MessageStatus"] in ("failed", "undelivered")


def test_template_is_created_approved_and_sent(sandbox, client, receiver):
    buttons = [
        ContentList.QuickReplyAction({"type": "QUICK_REPLY", "title": "Yes", "id": "yes"}),
        ContentList.QuickReplyAction({"type": "QUICK_REPLY", "title": "No", "id": "no"}),
    ]
    quick_reply = ContentList.TwilioQuickReply({"body": "Shall we come on {{1}} at noon?", "actions": buttons})
    content = client.content.v1.contents.create(
        ContentList.ContentCreateRequest(
            {
                "friendly_name": "visit",
                "language": "en",
                "variables": {"1": "Monday"},
                "types": ContentList.Types({"twilio/quick-reply": quick_reply}),
            }
        )
    )
    assert content.sid.startswith("HX") and content.friendly_name == "visit"
    assert content.types["twilio/quick-reply"]["actions"][0]["id"] == "yes"
    template = client.content.v1.contents(content.sid)
    assert template.fetch().variables == {"1": "Monday"}
    assert template.approval_fetch().fetch().whatsapp["status"] == "unsubmitted"
    unapproved = client.messages.create(
        to=AVA, from_=SENDER, content_sid=content.sid, status_callback=receiver.status_url
    )
    assert receiver.expect_status(unapproved.sid, "failed").form["ErrorCode"] == "63016"

    approval = template.approval_create.create(
        ApprovalCreateList.ContentApprovalRequest({"name": "visit", "category": "UTILITY"})
    )
    assert approval.name == "visit"
    assert approval.category == "UTILITY"
    assert approval.status in ("received", "pending", "approved")
    sandbox.advance(48 * 60 * 60)
    eventually(lambda: template.approval_fetch().fetch().whatsapp["status"] == "approved", "the approval")
    listed = [found.sid for found in client.content.v1.contents.list(page_size=1)]
    assert content.sid in listed and ORDER_UPDATE in listed
    approvals = {found.sid: found.approval_requests for found in client.content.v1.content_and_approvals.list()}
    assert approvals[content.sid]["status"] == "approved"

    message = client.messages.create(
        to=AVA, from_=SENDER, content_sid=content.sid, content_variables='{"1": "Friday"}',
        status_callback=receiver.status_url,
    )
    receiver.expect_status(message.sid, "read")
    assert message.fetch().body == "Shall we come on Friday at noon?"
    assert template.delete()
    assert refusal(template.fetch).code == 20404


def test_invalid_message_is_refused_with_twilios_code(client):
    def create(**parameters):
        return refusal(client.messages.create, **{"to": AVA, "from_": SENDER, "body": "hi", **parameters})

    cases = [
        ({"to": "whatsapp:+1"}, 21211),
        ({"to": "whatsapp:hello"}, 21211),
        ({"from_": "whatsapp:+14155550000"}, 63007),
        ({"body": "x" * 1601}, 21617),
        ({"body": ""}, 21619),
        ({"content_variables": "{}"}, 21654),
        ({"body": None, "content_sid": "HX" + "f" * 32}, 21655),
        ({"body": None, "content_sid": ORDER_UPDATE, "content_variables": '{"1": null}'}, 21656),
        ({"media_url": ["ftp://example.com/cat.png"]}, 21620),
        ({"status_callback": "http://under_score.example.com/"}, 21609),
    ]
    for parameters, code in cases:
        error = create(**parameters)
        assert error.status == 400, parameters
        assert error.code == code, parameters
        assert error.msg and error.uri.endswith("/Messages.json"), parameters


def test_missing_resource_is_refused_with_20404(client):
    unknown = refusal(client.messages("SM" + "0" * 32).fetch)
    assert unknown.status == 404
    assert unknown.code == 20404
    assert f"/Accounts/{ACCOUNT_SID}/Messages/SM{'0' * 32}.json was not found" in unknown.msg
    assert refusal(client.content.v1.contents("HX" + "f" * 32).fetch).code == 20404
    assert refusal(client.messaging.v1.services("MG" + "f" * 32).fetch).code == 20404


def test_wrong_credentials_are_refused_with_20003(sandbox):
    for username, password in [(ACCOUNT_SID, "wrong"), (API_KEY, "wrong"), ("SK" + "f" * 32, API_KEY_SECRET)]:
        client = client_of(sandbox, username, password)
        content, service = client.content.v1.contents(ORDER_UPDATE), client.messaging.v1.services(SERVICE)
        for resource in [client.messages("SM" + "0" * 32), content, service]:
            error = refusal(resource.fetch)
            assert error.status == 401
            assert error.code == 20003
            assert error.msg.split()[-1] == "Authenticate"


def test_message_to_an_opted_out_person_is_refused_with_21610(sandbox, client, receiver):
    sandbox.write(AVA, "STOP")
    assert receiver.expect_message("STOP").form["OptOutType"] == "STOP"
    opted_out = refusal(client.messages.create, to=AVA, from_=SENDER, content_sid=ORDER_UPDATE)
    assert opted_out.status == 400
    assert opted_out.code == 21610
    sandbox.write(AVA, "START")
    assert client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE).sid


def test_sender_over_its_rate_limit_fails_with_63018(sandbox, client, receiver):
    sandbox.control("PUT", "limits", {"messages_per_second": 1, "on_excess": "fail"})
    for to in [AVA, BEN] * 5:
        client.messages.create(to=to, from_=SENDER, content_sid=ORDER_UPDATE, status_callback=receiver.status_url)
    receiver.expect(lambda call: call.form.get("ErrorCode") == "63018", "63018")


def test_feedback_is_accepted(client):
    message = client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE, provide_feedback=True)
    assert client.messages(message.sid).feedback.create(outcome="confirmed").outcome == "confirmed"


def test_too_many_requests_has_a_retry_after_header(sandbox, client):
    sandbox.misbehave({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 2}, to=AVA)
    error = refusal(client.messages.create, to=AVA, from_=SENDER, content_sid=ORDER_UPDATE)
    assert error.status == 429
    assert error.code == 20429
    assert client.http_client._test_only_last_response.headers["Retry-After"] == "2"
    assert client.messages.create(to=AVA, from_=SENDER, content_sid=ORDER_UPDATE).sid


def test_response_has_twilios_headers(client):
    client.messages.list()
    headers = client.http_client._test_only_last_response.headers
    assert headers["Twilio-Request-Id"].startswith("RQ")
    assert "Twilio-Concurrent-Requests" in headers


def test_window_closes_after_a_day(sandbox, client, receiver):
    sandbox.write(AVA, "hi")

    def send():
        return client.messages.create(to=AVA, from_=SENDER, body="news", status_callback=receiver.status_url).sid

    receiver.expect_status(send(), "read")
    sandbox.advance(24 * 60 * 60)
    failed = receiver.expect_status(send(), "failed")
    assert failed.form["ErrorCode"] == "63016"
    assert client.messages(failed.form["MessageSid"]).fetch().error_code == 63016


def test_validator_accepts_webhooks_after_a_token_change(sandbox, client, receiver):
    sandbox.write(AVA, "Grüße & \"quotes\" + 1 \U0001f600", button={"title": "Yes", "id": "yes"})
    [inbound] = receiver.calls
    assert signed(inbound, AUTH_TOKEN) and not signed(inbound, "wrong")
    assert inbound.headers["X-Home-Region"] == "us1"

    token = sandbox.control("POST", "auth-token", {}).json()["auth_token"]
    assert token != AUTH_TOKEN
    sandbox.write(AVA, "again")
    assert signed(receiver.expect_message("again"), token)
    assert not signed(receiver.expect_message("again"), AUTH_TOKEN)
    assert refusal(client.messages(inbound.form["MessageSid"]).fetch).code == 20003
    assert client_of(sandbox, API_KEY, API_KEY_SECRET).messages.list()
    message = client_of(sandbox, password=token).messages.create(
        to=AVA, from_=SENDER, body="hi", status_callback=receiver.status_url
    )
    assert signed(receiver.expect_status(message.sid, "sent"), token)


def test_token_is_rotated_through_the_api(sandbox, client, receiver):
    secondary = client.accounts.v1.secondary_auth_token().create().secondary_auth_token
    rotated = client_of(sandbox, password=secondary)
    assert rotated.messages.list() == []
    sandbox.write(AVA, "before")
    assert signed(receiver.expect_message("before"), AUTH_TOKEN)
    assert rotated.accounts.v1.auth_token_promotion().update().auth_token == secondary
    sandbox.write(AVA, "after")
    assert signed(receiver.expect_message("after"), secondary)
    assert refusal(client.messaging.v1.services(SERVICE).fetch).code == 20003


def test_verification_code_is_checked(sandbox, client):
    service = client.verify.v2.services("VA" + "0" * 31 + "1")
    number = AVA.removeprefix("whatsapp:")
    started = service.verifications.create(to=number, channel="whatsapp")
    assert started.status == "pending"
    assert started.to == number
    assert started.channel == "whatsapp"
    assert started.valid is False
    [message] = sandbox.control("GET", f"messages?address={AVA.replace('+', '%2B')}").json()
    code = next(word for word in message["body"].replace(".", "").split() if word.isdigit())
    wrong = "0" * len(code) if code.strip("0") else "1" * len(code)
    assert service.verification_checks.create(to=number, code=wrong).status == "pending"
    assert service.verification_checks.create(to=number, code=code).status == "approved"
    assert refusal(service.verification_checks.create, to=number, code=code).code == 20404
    assert refusal(service.verifications.create, to=AVA, channel="whatsapp").code == 60200


def test_flow_is_started(client):
    executions = client.studio.v2.flows("FW" + "0" * 31 + "1").executions
    execution = executions.create(to=AVA, from_=SENDER, parameters={"order": "A-17"})
    assert execution.sid.startswith("FN") and execution.status in ("active", "ended")
    assert executions(execution.sid).fetch().sid == execution.sid


def test_messaging_service_has_the_inbound_url(client, receiver):
    service = client.messaging.v1.services(SERVICE)
    assert service.fetch().inbound_request_url == receiver.inbound_url
    moved = service.update(inbound_request_url=f"{receiver.url}/moved")
    assert moved.inbound_request_url == f"{receiver.url}/moved"
    assert [found.sid for found in client.messaging.v1.services.list()] == [SERVICE]
    [sender] = client.messaging.v2.channels_senders.list(channel="whatsapp")
    assert sender.sender_id == SENDER
    assert sender.status == "ONLINE"
