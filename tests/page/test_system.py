"""The sandbox's page with the whole deployed system behind it."""

import hashlib
import os
import uuid

import pytest
from playwright.sync_api import expect

from phone import Phone, controls_button, expect_status, misbehave, timeline, unfold
from play import ORDER_UPDATE
from stack import Stack, text
from test_page import PNG

pytestmark = pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")


@pytest.fixture
def stack():
    return Stack()


@pytest.fixture
def page(open_page, stack):
    page = open_page(stack.url, viewport={"width": 1440, "height": 900})
    unfold(page)
    return page


@pytest.fixture
def dora(page, stack):
    """A new person, whose name and number no other test uses."""
    name = f"Dora {uuid.uuid4().hex[:6]}"
    phone = Phone(page, name)
    phone.number = stack.add_person(name)
    expect(phone.region).to_be_visible()
    page.get_by_role("combobox", name="Person").select_option(label=name)
    yield phone
    stack.control("DELETE", f"people/whatsapp:{phone.number}")


def test_conversation_shows_statuses_decisions_and_events(page, stack, dora):
    dora.write("Where is my order?")
    expect_status(dora.said("Where is my order?"), "200")
    expect(timeline(page, "Event", "twilio_inbound")).to_have_count(1)
    expect(timeline(page, "Webhook of a message")).to_have_count(1)
    timeline(page, "Webhook of a message").click()
    expect(page.get_by_role("log", name="Timeline")).to_contain_text("accepted")
    notification = stack.notify(dora.number, text("It comes tomorrow"))
    expect_status(dora.got("It comes tomorrow"), "read")
    expect(timeline(page, "Decision", notification, "accepted by Twilio")).not_to_have_count(0)
    expect(timeline(page, "Callback", "read")).not_to_have_count(0)
    expect(timeline(page, "Event", "twilio_status", "read")).not_to_have_count(0)


def send_picture(dora, says):
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    dora.region.get_by_label(f"File from {dora.name}").set_input_files(picture)
    dora.write(says)
    return dora.said(says)


def test_picture_of_a_person_is_stored(page, dora):
    bubble = send_picture(dora, "My cat")
    digest = hashlib.sha256(PNG).hexdigest()
    stored = bubble.get_by_text(f"Stored · image/png · {len(PNG)} bytes · SHA-256 {digest[:8]}")
    expect(stored).to_be_visible()
    assert digest in stored.get_attribute("title") and "inbound/AC" in stored.get_attribute("title")
    expect(timeline(page, "Event", "media_stored", digest[:8])).to_have_count(1)
    expect(timeline(page, "is stored in the media bucket")).to_have_count(1)


def test_picture_that_is_not_one_shows_why_it_is_not_stored(page, dora):
    misbehave(page, dora.name, "A file is not of its type")
    bubble = send_picture(dora, "My dog")
    expect(bubble.get_by_text("Not stored: type_mismatch")).to_be_visible()
    expect(timeline(page, "Event", "media_failed", "type_mismatch")).to_have_count(1)


def test_webhook_with_a_wrong_signature_shows_403(page, dora):
    misbehave(page, dora.name, "A webhook has a wrong signature")
    dora.write("Is it me?")
    expect_status(dora.said("Is it me?"), "403")
    dora.write("It is me")
    expect_status(dora.said("It is me"), "200")


def test_stop_suppresses_messages_until_start(page, stack, dora):
    dora.write("Hello")
    expect_status(dora.said("Hello"), "200")
    dora.button("STOP").click()
    expect_status(dora.said("STOP"), "200")
    expect(timeline(page, "contact_opted_out")).to_have_count(1)
    expect(dora.region).to_contain_text("opted out")
    suppressed = stack.notify(dora.number, text("You do not want this"))
    expect(timeline(page, "Decision", suppressed, "suppressed")).to_have_count(1)
    expect(timeline(page, "notification_suppressed", suppressed)).to_have_count(1)
    expect(dora.got("You do not want this")).to_have_count(0)
    dora.button("START").click()
    expect(timeline(page, "contact_opted_in")).to_have_count(1)
    stack.notify(dora.number, text("You want this again"))
    expect_status(dora.got("You want this again"), "read")
    expect(dora.got("You do not want this")).to_have_count(0)


def test_fallback_arrives_when_a_message_fails(page, stack, dora):
    dora.write("Hello")
    expect_status(dora.said("Hello"), "200")
    misbehave(page, dora.name, "Fails with an error code", Error_code="63003")
    fallback = [{"channel": "sms", "content": text("Your order is here, by SMS")}]
    notification = stack.notify(dora.number, text("Your order is here"), fallback=fallback)
    failed = dora.got("Your order is here").filter(has_not_text="by SMS")
    expect_status(failed, "failed 63003")
    arrived = dora.got("Your order is here, by SMS")
    expect_status(arrived, "delivered")
    expect(arrived).to_contain_text("SMS")
    expect(timeline(page, "Decision", notification, "sms takes over")).to_have_count(1)
    failed.get_by_role("button", name="Show what belongs to this message").click()
    expect(timeline(page, "Decision", notification, "sms takes over")).to_have_count(1)


def test_template_fallback_arrives_outside_the_window(page, stack, dora):
    content = {"type": "template", "content_sid": ORDER_UPDATE, "variables": {"1": "Dora", "2": "18473"}}
    stack.notify(dora.number, text("Free text"), fallback=[{"channel": "whatsapp", "content": content}])
    expect_status(dora.got("order 18473"), "read")
    expect(dora.got("Free text")).to_have_count(0)


def test_business_form_shows_the_decision_and_sends(page, dora):
    dora.write("Hello")
    expect_status(dora.said("Hello"), "200")
    page.get_by_role("button", name="Send as the business").click()
    business = page.get_by_role("region", name="Send as the business")
    business.get_by_label("To").select_option(f"whatsapp:{dora.number}")
    business.get_by_role("radio", name="Free text").check()
    business.get_by_role("textbox", name="Text").fill("Your parcel is here")
    decision = business.get_by_role("status", name="Decision")
    expect(decision).to_contain_text("Will be sent now")
    business.get_by_role("button", name="Send", exact=True).click()
    expect(business.get_by_role("status", name="Result")).to_contain_text("Sent as page-")
    expect_status(dora.got("Your parcel is here"), "read")
    page.keyboard.press("Escape")
    dora.button("STOP").click()
    expect(timeline(page, "contact_opted_out")).to_have_count(1)
    page.get_by_role("button", name="Send as the business").click()
    expect(decision).to_contain_text("Will not be sent: the recipient has opted out")


def test_preset_passes_on_the_page(page):
    controls_button(page).click()
    group = page.get_by_role("group", name="Scenarios", exact=True)
    group.get_by_role("combobox", name="Preset").select_option("too-many-requests")
    group.get_by_role("button", name="Run it").click()
    expect(group.get_by_role("status", name="Verdict")).to_contain_text("Passed: ", timeout=90_000)
