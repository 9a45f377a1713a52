"""Templates on the page: what people answer to lists, flows and catalogs, and what WhatsApp decides about a template."""

import json

import requests
from playwright.sync_api import expect

from phone import controls_button, timeline
from play import API_KEY, API_KEY_SECRET, AVA, DEADLINE, eventually
from test_page import PNG, violations


def create(sandbox, kind: str, content: dict, **variables: str) -> str:
    """Creates a template of one type. Returns its SID."""
    body = {"friendly_name": "test", "language": "en", "variables": variables, "types": {kind: content}}
    auth = (API_KEY, API_KEY_SECRET)
    response = requests.post(f"{sandbox.url}/v1/Content", json=body, auth=auth, timeout=DEADLINE)
    response.raise_for_status()
    return response.json()["sid"]


def test_selected_row_reaches_the_system(sandbox, receiver, ava):
    rows = [{"id": "red", "item": "Red", "description": "Like a rose"}, {"id": "blue", "item": "Blue"}]
    sid = create(sandbox, "twilio/list-picker", {"body": "Which colour?", "button": "Choose", "items": rows})
    ava.write("Hello")
    sandbox.send(To=AVA, ContentSid=sid)
    question = ava.got("Which colour?")
    expect(question.get_by_role("button", name="Red")).to_have_count(0)
    question.get_by_role("button", name="Choose").click()
    question.get_by_role("button", name="Red").click()
    form = receiver.expect_message("Red").form
    assert (form["ListId"], form["ListTitle"], form["MessageType"]) == ("red", "Red", "interactive")
    expect(question.get_by_role("button", name="Red")).to_be_hidden()


def test_filled_form_of_a_flow_reaches_the_system(sandbox, receiver, page, ava):
    layout = [{"type": "TEXT_INPUT", "label": "Size"}, {"type": "TEXT_INPUT", "label": "Colour"}]
    pages = [{"id": "one", "title": "Order", "layout": layout}]
    flow = {"body": "What may we pack?", "button_text": "Tell us", "type": "OTHER", "pages": pages}
    sid = create(sandbox, "twilio/flows", flow)
    sandbox.control("PUT", "rules", sandbox.control("GET", "rules").json() | {"service_window": False})
    submit(sandbox, sid, "what_to_pack")
    sandbox.send(To=AVA, ContentSid=sid)
    question = ava.got("What may we pack?")
    question.get_by_role("button", name="Tell us").click()
    question.get_by_role("textbox", name="Size").fill("L")
    question.get_by_role("textbox", name="Colour").fill("red")
    assert violations(page) == []
    question.get_by_role("button", name="Submit").click()
    expect(ava.said("Size: L")).to_contain_text("Colour: red")
    form = receiver.expect(lambda call: "FlowData" in call.form, "the flow").form
    assert json.loads(form["FlowData"]) == {"Size": "L", "Colour": "red"}


def submit(sandbox, sid: str, name: str) -> None:
    """Submits a template, which WhatsApp then approves."""
    path = f"{sandbox.url}/v1/Content/{sid}/ApprovalRequests/whatsapp"
    body, auth = {"name": name, "category": "UTILITY"}, (API_KEY, API_KEY_SECRET)
    requests.post(path, json=body, auth=auth, timeout=DEADLINE).raise_for_status()
    sandbox.control("PUT", f"templates/{sid}", {"status": "approved"})


def test_order_and_reaction_reach_the_system(sandbox, receiver, ava):
    items = [{"id": "mug", "name": "Mug", "price": 9.5}, {"id": "pot", "name": "Pot"}]
    sid = create(sandbox, "twilio/catalog", {"body": "Have a look", "title": "Kitchen", "id": "7", "items": items})
    ava.write("Hello")
    message = sandbox.send(To=AVA, ContentSid=sid)
    shop = ava.got("Have a look")
    shop.get_by_role("button", name="View catalog").click()
    shop.get_by_role("spinbutton", name="Mug, 9.50").fill("2")
    shop.get_by_role("spinbutton", name="Pot").fill("0")
    shop.get_by_role("button", name="Order").click()
    expect(ava.said("2 × mug")).to_have_count(1)
    order = json.loads(receiver.expect(lambda call: call.form.get("MessageType") == "order", "the order").form["InteractiveData"])
    assert order["order"]["product_items"][0]["product_retailer_id"] == "mug"
    shop.hover()
    shop.get_by_role("button", name="React with 👍").click()
    form = receiver.expect(lambda call: call.form.get("MessageType") == "reaction", "the reaction").form
    assert (form["Body"], form["OriginalRepliedMessageSid"]) == ("👍", message)


def test_cards_and_codes_are_shown(sandbox, receiver, ava):
    picture = receiver.serve("/card.png", "image/png", PNG)
    cards = [
        {"title": name, "body": f"A {name}", "media": picture,
         "actions": [{"type": "QUICK_REPLY", "title": f"Buy {name}", "id": name}]}
        for name in ("mug", "pot")
    ]  # fmt: skip
    sandbox.control("PUT", "rules", sandbox.control("GET", "rules").json() | {"fetch_media": False})
    carousel = create(sandbox, "twilio/carousel", {"body": "New today", "cards": cards})
    submit(sandbox, carousel, "new_today")
    sandbox.send(To=AVA, ContentSid=carousel)
    shop = ava.got("New today")
    expect(shop.get_by_role("region")).to_have_count(2)
    shop.get_by_role("button", name="Buy pot").click()
    expect(ava.said("Buy pot")).to_have_count(1)
    action = {"type": "COPY_CODE", "copy_code_text": "Copy code"}
    code = create(sandbox, "whatsapp/authentication", {"actions": [action]}, **{"1": "482913"})
    submit(sandbox, code, "login_code")
    sandbox.send(To=AVA, ContentSid=code)
    expect(ava.got("482913 is your verification code").get_by_role("button", name="Copy code")).to_be_visible()


def test_shared_contact_is_a_vcard(receiver, ava):
    ava.button("Share a contact").click()
    form = ava.region.get_by_role("form", name="Contact from Ava")
    form.get_by_role("textbox", name="Name of the contact").fill("Ben Ito")
    form.get_by_role("button", name="Share").click()
    sent = receiver.expect(lambda call: call.form.get("NumMedia") == "1", "the contact").form
    assert sent["MediaContentType0"] == "text/vcard"
    card = requests.get(sent["MediaUrl0"], auth=(API_KEY, API_KEY_SECRET), timeout=DEADLINE).text
    assert "FN:Ben Ito" in card


def test_paused_template_fails_and_says_so(sandbox, receiver, page, ava):
    controls_button(page).click()
    group = page.get_by_role("group", name="Templates")
    group.get_by_label("Approval status").select_option("paused")
    expect(group.get_by_role("combobox", name="Template", exact=True)).to_contain_text("order_update (en): paused")
    sandbox.send(To=AVA, ContentSid="HX00000000000000000000000000000001")
    expect(ava.got("Hello Ava, your order")).to_contain_text("failed 63041")
    group.get_by_label("Quality rating").select_option("red")
    group.get_by_label("Events of templates").select_option("lost")
    config = lambda: sandbox.control("GET", "state").json()["config"]
    eventually(lambda: config()["template_events"] == "lost", "the change")
    group.get_by_label("Approval status").select_option("approved")
    expect(timeline(page, "Lost on purpose", "status paused to approved")).to_have_count(1)
