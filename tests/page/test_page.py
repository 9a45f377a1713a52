"""The sandbox's page in a browser, with a receiver of webhooks in place of the system under test."""

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from browser import DESKTOP
from phone import Phone, controls_button, expect_status, misbehave, timeline, unfold
from play import API_KEY, API_KEY_SECRET, AVA, BEN, DEADLINE, ORDER_UPDATE, ROOT

APPOINTMENT_REMINDER = "HX00000000000000000000000000000002"
AXE = ROOT / ".tools/npm/node_modules/axe-core/axe.min.js"
NARROW = {"width": 360, "height": 740}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e3660000"
    "000049454e44ae426082"
)


@pytest.fixture
def page(open_page, sandbox):
    return open_page(sandbox.url, viewport=DESKTOP)


def test_message_and_reply_show_their_statuses(page, sandbox, receiver, ava):
    ava.write("Where is my order?")
    call = receiver.expect_message("Where is my order?")
    assert call.form["From"] == AVA
    assert call.form["ProfileName"] == "Ava"
    expect_status(ava.said("Where is my order?"), "200")
    sandbox.misbehave({"kind": "report", "statuses": ["sent"]}, to=AVA)
    sid = sandbox.send(To=AVA, Body="On its way", StatusCallback=receiver.status_url)
    for status in ["sent", "delivered", "read"]:
        if status != "sent":
            sandbox.control("POST", f"messages/{sid}/status", {"status": status})
        expect_status(ava.got("On its way"), status)
        receiver.expect_status(sid, status)
    expect(Phone(page, "Ben").messages.get_by_role("listitem")).to_have_count(0)


def test_twiml_reply_shows_on_the_phone(receiver, ava):
    receiver.answer = lambda _: "<Response><Message>We look into it</Message></Response>"
    ava.text.press_sequentially("Hello")
    ava.text.press("Enter")
    expect(ava.got("We look into it")).to_have_count(1)


def test_html_in_a_message_shows_as_text(page, receiver, ava):
    body = "<b>1 & 2</b> \"Grüße\" \U0001f600"
    ava.write(body)
    receiver.expect_message(body)
    expect(ava.said(body)).to_be_visible()
    assert page.locator("b").count() == 0


def test_template_button_sends_a_reply(page, sandbox, receiver, ava):
    sid = sandbox.send(To=AVA, ContentSid=APPOINTMENT_REMINDER, ContentVariables='{"1": "Monday", "2": "9:00"}')
    template = ava.got("Monday at 9:00")
    expect_status(template, "read")
    template.get_by_role("button", name="Confirm").click()
    call = receiver.expect_message("Confirm")
    assert call.form["ButtonText"] == "Confirm"
    assert call.form["ButtonPayload"] == "confirm"
    assert call.form["OriginalRepliedMessageSid"] == sid
    expect_status(ava.said("Confirm"), "200")


def test_email_shows_on_the_phone_of_its_person(sandbox, receiver, ava):
    """SendGrid names an address and no person: the person is that of the notification's message."""
    sandbox.send(To=AVA, Body="On its way", StatusCallback=f"{receiver.status_url}?notification=order-1")
    email = {
        "from": {"email": "orders@example.com"},
        "template_id": "d-00000000000000000000000000000001",
        "personalizations": [
            {
                "to": [{"email": "ava@example.com"}],
                "dynamic_template_data": {"order": "18473"},
                "custom_args": {"notification_id": "order-1"},
            }
        ],
    }
    headers = {"Authorization": "Bearer SG.sandbox-key"}
    answer = requests.post(f"{sandbox.url}/v3/mail/send", json=email, headers=headers, timeout=DEADLINE)
    assert answer.status_code == 202
    shown = ava.got("order: 18473")
    expect(shown).to_contain_text("E-mail · ava@example.com")
    expect_status(shown, "delivered")


def test_file_is_sent_and_shown(sandbox, receiver, ava):
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    ava.region.get_by_label("File from Ava").set_input_files(picture)
    expect(ava.region.get_by_role("list", name="Files to send").get_by_role("listitem")).to_contain_text(["cat.png"])
    ava.write("My cat")
    call = receiver.expect_message("My cat")
    assert call.form["NumMedia"] == "1"
    assert call.form["MediaContentType0"] == "image/png"
    file = requests.get(call.form["MediaUrl0"], auth=(API_KEY, API_KEY_SECRET), timeout=DEADLINE)
    assert file.content == PNG
    expect(ava.said("My cat").get_by_role("img").first).to_be_visible()
    url = receiver.serve("/map.png", "image/png", PNG)
    sandbox.send(To=AVA, Body="The map", MediaUrl=url)
    expect(ava.got("The map").locator(f"img[src='{url}']")).to_be_visible()


def test_location_is_shared(receiver, ava):
    ava.button("Share a location").click()
    place = ava.region.get_by_role("form", name="Location of Ava")
    for name, value in {"Latitude": "52.52", "Longitude": "13.405", "Place": "Town hall", "Street": "Main street 1"}.items():
        place.get_by_role("textbox", name=name).fill(value)
    place.get_by_role("button", name="Share").click()
    call = receiver.expect(lambda call: "Latitude" in call.form, "the location")
    assert float(call.form["Latitude"]) == 52.52
    assert float(call.form["Longitude"]) == 13.405
    assert call.form["Label"] == "Town hall"
    assert call.form["Address"] == "Main street 1"
    assert call.form["Body"] == ""
    expect_status(ava.said("Town hall"), "200")
    expect(place).to_be_hidden()


def test_switched_on_misbehaviour_happens_once(page, sandbox, ava):
    ava.write("Hello")
    misbehave(page, "Ava", "Fails with an error code", Error_code="63003")
    sandbox.send(To=AVA, Body="One")
    expect_status(ava.got("One"), "failed 63003")
    sandbox.send(To=AVA, Body="Two")
    expect_status(ava.got("Two"), "read")
    unfold(page)
    expect(timeline(page, "Misbehaviour", "Planned fault")).to_have_count(1)


def test_misbehaviour_is_switched_off(page, sandbox, ava):
    misbehave(page, "Ava", "Refused: too many requests (429)")
    with pytest.raises(requests.HTTPError, match="429"):
        sandbox.send(To=AVA, ContentSid=ORDER_UPDATE)
    misbehave(page, "Ava", "Refused: too many requests (429)")
    expect(controls_button(page)).to_have_accessible_name("Controls 1 on")
    page.get_by_role("list", name="Switched on").get_by_role("button", name="Take back").click()
    expect(page.get_by_role("list", name="Switched on").get_by_role("listitem")).to_have_count(0)
    expect(controls_button(page)).to_have_accessible_name("Controls")
    assert sandbox.send(To=AVA, ContentSid=ORDER_UPDATE)


def test_webhook_with_a_wrong_signature_shows_as_refused(page, receiver, ava):
    misbehave(page, "Ava", "A webhook has a wrong signature")
    receiver.status = 403
    ava.write("Hello")
    expect_status(ava.said("Hello"), "403")
    expect(timeline(page, "Webhook of a message")).to_have_count(1)
    timeline(page, "Webhook of a message").click()
    expect(page.get_by_role("log", name="Timeline")).to_contain_text("refused")


def test_window_shows_as_closed_after_a_day(page, sandbox, ava):
    expect(ava.region).to_contain_text("window closed")
    ava.write("Hello")
    expect(ava.region).to_contain_text("window open")
    sandbox.send(To=AVA, Body="In time")
    expect_status(ava.got("In time"), "read")
    page.get_by_role("button", name="+1 day").click()
    expect(ava.region).to_contain_text("window closed")
    sandbox.send(To=AVA, Body="Too late")
    expect_status(ava.got("Too late"), "failed 63016")
    sandbox.send(To=AVA, ContentSid=ORDER_UPDATE)
    expect_status(ava.got("on its way"), "read")


def test_person_without_a_number_sends_a_message(page, receiver):
    page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog", name="Add a person")
    dialog.get_by_role("textbox", name="Name").fill("Dora")
    dialog.get_by_role("checkbox", name="Withholds the number").check()
    dialog.get_by_role("button", name="Add").click()
    dora = Phone(page, "Dora")
    dora.write("It is me")
    call = receiver.expect_message("It is me")
    assert "+" not in call.form["From"] and call.form["ProfileName"] == "Dora"
    expect_status(dora.said("It is me"), "200")
    dora.button("Remove Dora").click()
    expect(dora.region).to_have_count(0)


def test_timeline_is_filtered_by_message_and_search(page, sandbox, ava):
    ava.write("One")
    ava.write("Two")
    expect_status(ava.said("One"), "200")
    expect_status(ava.said("Two"), "200")
    expect(timeline(page, "Webhook of a message")).to_have_count(2)
    ava.said("Two").get_by_role("button", name="Show what belongs to this message").click()
    expect(timeline(page, "Webhook of a message")).to_have_count(1)
    page.get_by_role("button", name="Show all").click()
    expect(timeline(page, "Webhook of a message")).to_have_count(2)
    page.get_by_role("searchbox", name="Search").fill("nothing like this")
    expect(timeline(page, "Webhook of a message")).to_have_count(0)


def test_second_page_shows_earlier_messages(open_page, sandbox, page, ava):
    ava.write("Hello")
    expect_status(ava.said("Hello"), "200")
    second = Phone(open_page(sandbox.url), "Ava")
    expect_status(second.said("Hello"), "200")
    second.write("From here")
    expect_status(ava.said("From here"), "200")


def test_reset_removes_messages_and_timeline(page, ava):
    ava.write("Hello")
    expect_status(ava.said("Hello"), "200")
    controls_button(page).click()
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("dialog", name="Forget everything?").get_by_role("button", name="Forget everything").click()
    expect(ava.said("Hello")).to_have_count(0)
    expect(timeline(page)).to_have_count(0)


def test_stopped_sandbox_shows_as_disconnected(page, sandbox):
    sandbox.stop()
    expect(page.get_by_role("status", name="Connection")).to_have_text("Disconnected")


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until something has the focus."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if wanted.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_page_is_usable_by_keyboard_alone(page, sandbox, receiver, ava):
    sandbox.send(To=AVA, ContentSid=APPOINTMENT_REMINDER)
    template = ava.got("Your appointment")
    expect_status(template, "read")
    tab_to(page, template.get_by_role("button", name="Reschedule"))
    page.keyboard.press("Enter")
    receiver.expect_message("Reschedule")
    tab_to(page, ava.text)
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect_status(ava.said("By keyboard"), "200")
    controls = controls_button(page)
    tab_to(page, controls)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Controls")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Switch on"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Controls")).to_be_hidden()
    expect(controls).to_be_focused()
    # The arrow keys move between the lines; Tab leaves the list.
    tab_to(page, timeline(page).and_(page.locator("[tabindex='0']")))
    page.keyboard.press("End")
    expect(timeline(page).last).to_be_focused()
    page.keyboard.press("Enter")
    expect(timeline(page).last).to_have_attribute("aria-expanded", "true")


def test_narrow_window_shows_one_phone_at_a_time(open_page, sandbox, receiver):
    page = open_page(sandbox.url, viewport=NARROW, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    people = page.get_by_role("navigation", name="People")
    ben = Phone(page, "Ben")
    people.get_by_role("button", name="Ben").click()
    expect(ben.text).to_be_in_viewport(ratio=1)
    expect(Phone(page, "Ava").text).not_to_be_in_viewport()
    ben.write("From a narrow window")
    assert receiver.expect_message("From a narrow window").form["From"] == BEN
    expect(ben.said("From a narrow window")).to_be_in_viewport()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, NARROW], ids=["desktop", "narrow"])
def test_page_has_no_accessibility_violations(open_page, sandbox, receiver, colours, size):
    url = receiver.serve("/map.png", "image/png", PNG)
    sandbox.write(AVA, "Hello")
    for parameters in [{"Body": "The map", "MediaUrl": url}, {"ContentSid": APPOINTMENT_REMINDER}]:
        receiver.expect_status(sandbox.send(To=AVA, StatusCallback=receiver.status_url, **parameters), "read")
    sandbox.misbehave({"kind": "fail", "code": 63003}, to=AVA)
    receiver.expect_status(sandbox.send(To=AVA, Body="Lost", StatusCallback=receiver.status_url), "failed")
    page = open_page(sandbox.url, viewport=size, color_scheme=colours, reduced_motion="reduce")
    expect(Phone(page, "Ava").got("Lost")).to_have_count(1)
    timeline(page, "Webhook of a message").first.click()
    assert violations(page) == []
    controls_button(page).click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Close the controls").click()
    page.get_by_role("button", name="Add a person").click()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    """The serious and critical accessibility violations that axe-core finds, text contrast included."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:120] for node in violation['nodes']]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
