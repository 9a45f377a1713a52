"""The phones: files and pictures, formatting, quick replies, unread messages, and the keyboard."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from browser import DESKTOP
from phone import Phone, expect_status
from play import ACCOUNT_SID, API_KEY, API_KEY_SECRET, AVA, DEADLINE, ORDER_UPDATE, SERVICE
from test_page import APPOINTMENT_REMINDER, PNG, violations

LARGE, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}
NAMES = ["Ava", "Ben", "Chloe", "Dora", "Emil", "Finn"]


def chat(page: Page, name: str) -> Locator:
    """A person in the list of chats."""
    return page.get_by_role("navigation", name="People").get_by_role("button", name=re.compile(rf"^{name}\b"))


def add_people(sandbox) -> dict[str, str]:
    """Three more people, who do not fit beside the others: their addresses by their names."""
    for name in NAMES[3:]:
        sandbox.control("POST", "people", {"name": name})
    return {person["name"]: person["address"] for person in sandbox.control("GET", "state").json()["people"]}


def attach(phone: Phone, name: str, kind: str, content: bytes) -> None:
    phone.region.get_by_label(f"File from {phone.name}").set_input_files({"name": name, "mimeType": kind, "buffer": content})


def test_long_file_name_leaves_send_reachable(receiver, ava):
    name = f"{'a-long-name-' * 15}.png"
    attach(ava, name, "image/png", PNG)
    expect(ava.button(f"Remove {name}")).to_be_in_viewport(ratio=1)
    expect(ava.button("Send")).to_be_in_viewport(ratio=1)
    ava.write("See")
    assert receiver.expect_message("See").form["NumMedia"] == "1"


def test_document_is_shown_with_its_name(receiver, ava):
    attach(ava, "invoice.pdf", "application/pdf", b"%PDF-1.4")
    ava.write("My invoice")
    receiver.expect_message("My invoice")
    document = ava.said("My invoice").get_by_role("link", name="invoice.pdf")
    expect(document).to_be_visible()
    ava.messages.page.reload()
    expect(document).to_be_visible()


def test_file_that_whatsapp_does_not_accept_is_refused(receiver, ava):
    attach(ava, "notes.txt", "text/plain", b"Milk")
    expect(ava.region.get_by_role("alert")).to_contain_text("WhatsApp does not accept notes.txt (text/plain)")
    expect(ava.region.get_by_role("list", name="Files to send")).to_be_hidden()
    ava.write("Without a file")
    assert receiver.expect_message("Without a file").form["NumMedia"] == "0"


def test_message_waits_for_the_file_that_is_being_uploaded(page, receiver, ava):
    def write_and_upload(upload):
        ava.write("My cat")
        upload.continue_()

    page.route("**/sandbox/files", write_and_upload)
    attach(ava, "cat.png", "image/png", PNG)
    expect_status(ava.said("My cat"), "200")
    assert receiver.expect_message("My cat").form["NumMedia"] == "1"
    expect(ava.region.get_by_role("list", name="Files to send")).to_be_hidden()


def test_text_comes_back_when_its_file_cannot_be_uploaded(page, ava):
    def write_and_refuse(upload):
        ava.write("My cat")
        upload.fulfill(status=500, body="disk full")

    page.route("**/sandbox/files", write_and_refuse)
    attach(ava, "cat.png", "image/png", PNG)
    expect(ava.region.get_by_role("alert")).to_contain_text("disk full")
    expect(ava.text).to_have_value("My cat")
    expect(ava.said("My cat")).to_have_count(0)


def test_picture_opens_above_the_page(page, sandbox, receiver, ava):
    sandbox.write(AVA, "Hello")
    sandbox.send(To=AVA, Body="The map", MediaUrl=receiver.serve("/map.png", "image/png", PNG))
    picture = ava.got("The map").get_by_role("button", name="Open map.png")
    picture.click()
    viewer = page.get_by_role("dialog", name="map.png")
    expect(viewer.get_by_role("img", name="map.png")).to_be_visible()
    expect(viewer).to_contain_text("The map")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(picture).to_be_focused()


def test_text_is_formatted_without_html(page, receiver, ava):
    body = "*bold* _italic_ ~gone~ ```mono``` <i>x</i> snake_case_name https://example.com/a?b=1."
    ava.write(body)
    receiver.expect_message(body)
    message = ava.said("bold")
    for tag, text in {"strong": "bold", "em": "italic", "s": "gone", "code": "mono"}.items():
        expect(message.locator(tag)).to_have_text(text)
    expect(message).to_contain_text("<i>x</i> snake_case_name")
    assert page.locator("i").count() == 0
    link = message.get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.com/a?b=1")
    expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))


def test_quick_reply_is_sent_once(page, sandbox, receiver, ava):
    sandbox.send(To=AVA, ContentSid=APPOINTMENT_REMINDER)
    confirm = ava.got("Your appointment").get_by_role("button", name="Confirm")
    confirm.dblclick()
    expect(confirm).to_be_disabled()
    receiver.expect_message("Confirm")
    page.reload()
    expect(confirm).to_be_disabled()
    ava.write("After it")
    receiver.expect_message("After it")
    assert [call.form["Body"] for call in receiver.calls if call.form.get("ButtonText")] == ["Confirm"]
    expect(ava.got("Your appointment").get_by_role("button", name="Reschedule")).to_be_enabled()


def test_redacted_message_says_so(sandbox, ava):
    sandbox.write(AVA, "Hello")
    sid = sandbox.send(To=AVA, Body="Your code is 1234")
    expect_status(ava.got("Your code is 1234"), "read")
    url = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}.json"
    requests.post(url, data={"Body": ""}, auth=(API_KEY, API_KEY_SECRET), timeout=DEADLINE).raise_for_status()
    expect(ava.got("Redacted")).to_have_count(1)
    expect(ava.got("1234")).to_have_count(0)


def test_scheduled_message_is_not_on_the_phone_before_its_time(page, sandbox, ava):
    at = datetime.now(UTC) + timedelta(minutes=30)
    schedule = {"MessagingServiceSid": SERVICE, "ScheduleType": "fixed", "SendAt": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    sandbox.send(To=AVA, ContentSid=ORDER_UPDATE, **schedule)
    expect(ava.region).to_contain_text("1 scheduled, next ")
    expect(ava.messages.get_by_role("listitem")).to_have_count(0)
    page.get_by_role("button", name="+1 hour").click()
    expect_status(ava.got("on its way"), "read")
    expect(ava.region).not_to_contain_text("scheduled")


def test_unread_messages_are_counted_until_the_phone_is_in_view(page, sandbox):
    addresses = add_people(sandbox)
    expect(chat(page, "Finn")).to_be_visible()
    for _ in range(2):
        sandbox.send(To=addresses["Finn"], ContentSid=ORDER_UPDATE)
    expect(chat(page, "Finn")).to_have_accessible_name(re.compile("2 unread"))
    expect(chat(page, "Ava")).not_to_have_accessible_name(re.compile("unread"))
    page.get_by_role("button", name="2 unread", exact=True).click()
    expect(Phone(page, "Finn").text).to_be_in_viewport(ratio=1)
    expect(chat(page, "Finn")).not_to_have_accessible_name(re.compile("unread"))
    expect(page.get_by_role("button", name="2 unread")).to_have_count(0)


@pytest.mark.parametrize("size", [PHONE, DESKTOP, LARGE], ids=["390", "1440", "1920"])
def test_every_control_of_six_phones_can_be_reached(open_page, sandbox, size):
    add_people(sandbox)
    page = open_page(sandbox.url, viewport=size, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for name in NAMES:
        chat(page, name).click()
        phone = Phone(page, name)
        for control in ["Send", "Attach a file", "Share a location", "STOP", "START"]:
            expect(phone.button(control)).to_be_in_viewport(ratio=1)
    expect(Phone(page, "Finn").button("Remove Finn")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, LARGE], ids=["390", "1920"])
def test_list_of_chats_has_no_accessibility_violations(open_page, sandbox, colours, size):
    addresses = add_people(sandbox)
    page = open_page(sandbox.url, viewport=size, color_scheme=colours, reduced_motion="reduce")
    sandbox.send(To=addresses["Finn"], ContentSid=ORDER_UPDATE)
    expect(chat(page, "Finn")).to_have_accessible_name(re.compile("1 unread"))
    page.get_by_role("button", name="+1 day").click()
    expect(page.get_by_role("button", name="Back to now")).to_be_visible()
    assert violations(page) == []


def test_badge_leaves_the_number_whole(sandbox, ava):
    sandbox.write(AVA, "STOP")
    expect(ava.region).to_contain_text("opted out")
    number = ava.region.get_by_text("+1 415 555 0123")
    assert number.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_message_list_is_one_stop_of_the_tab_key(page, sandbox, ava):
    for number in range(30):
        sandbox.write(AVA, f"Message {number}")
    expect(ava.messages.get_by_role("listitem", name=re.compile("^Ava"))).to_have_count(30)
    page.get_by_role("button", name="Add a person").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
        if ava.text.evaluate("node => node === document.activeElement"):
            break
    expect(ava.text).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(ava.said("Message 29")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(ava.said("Message 28")).to_be_focused()


def test_skip_links_and_slash_move_the_focus(page, ava):
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the phones")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport(ratio=1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Timeline")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    ava.text.press_sequentially("1/2")
    expect(ava.text).to_have_value("1/2")
