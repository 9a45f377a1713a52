"""Sending as the business, scenarios with a verdict, the clock, and the controls of misbehaviour."""

import json
import sys

import pytest
from playwright.sync_api import Locator, Page, expect

from browser import DESKTOP
from phone import Phone, controls_button, expect_status, timeline
from play import BEN, ORDER_UPDATE, SandboxProcess
from test_page import APPOINTMENT_REMINDER, NARROW, violations

# A command in place of `wa send`: it decides to wait, and refuses to send.
COMMAND = """
import json, sys
notification = json.load(sys.stdin)
if "--dry-run" in sys.argv:
    print(json.dumps([{"decision": "wait", "until": "2026-11-20T08:00:00Z", "reason": "quiet hours of " + notification["to"]}]))
else:
    print("the queue does not exist", file=sys.stderr)
    sys.exit(1)
"""


def open_business(page: Page) -> Locator:
    page.get_by_role("button", name="Send as the business").click()
    return page.get_by_role("region", name="Send as the business")


def open_controls(page: Page, group: str) -> Locator:
    controls_button(page).click()
    return page.get_by_role("group", name=group, exact=True)


def test_template_is_sent_with_its_variables_after_a_preview(page):
    business = open_business(page)
    business.get_by_label("To").select_option(BEN)
    business.get_by_role("combobox", name="Template").select_option(APPOINTMENT_REMINDER)
    business.get_by_role("textbox", name="Variable 1").fill("Friday")
    business.get_by_role("textbox", name="Variable 2").fill("10:30")
    preview = business.get_by_role("group", name="Preview")
    for text in ["Your appointment is on Friday at 10:30.", "Confirm", "Reschedule"]:
        expect(preview).to_contain_text(text)
    expect(business.get_by_role("status", name="Decision")).to_have_text("Will be sent now")
    business.get_by_text("As JSON").click()
    expect(business.get_by_role("group", name="Notification")).to_contain_text('"1": "Friday"')
    expect(Phone(page, "Ben").messages.get_by_role("listitem")).to_have_count(0)
    business.get_by_role("button", name="Send", exact=True).click()
    expect(business.get_by_role("status", name="Result")).to_contain_text("Sent as page-")
    got = Phone(page, "Ben").got("Your appointment is on Friday at 10:30.")
    expect_status(got, "read")
    expect(got.get_by_role("button", name="Confirm")).to_be_visible()
    expect(timeline(page, "A message is created as the business", "Ben")).to_have_count(1)


def test_person_without_a_number_is_sent_a_template(page):
    business = open_business(page)
    chloe = business.get_by_label("To").get_by_role("option", name="Chloe").get_attribute("value")
    business.get_by_label("To").select_option(chloe)
    decision = business.get_by_role("status", name="Decision")
    # Twilio knows the user ids of people who have written.
    expect(decision).to_contain_text("Will not be sent: 21211")
    Phone(page, "Chloe").write("Hello")
    expect(decision).to_have_text("Will be sent now")
    business.get_by_role("button", name="Send", exact=True).click()
    expect_status(Phone(page, "Chloe").got("is on its way"), "read")


def test_decision_says_why_a_text_would_not_be_sent(page, sandbox):
    business = open_business(page)
    business.get_by_label("To").select_option(BEN)
    business.get_by_role("radio", name="Free text").check()
    decision = business.get_by_role("status", name="Decision")
    expect(decision).to_have_text("Write a text")
    expect(business.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    business.get_by_role("textbox", name="Text").fill("We are *open*")
    expect(decision).to_contain_text("Will not be sent: 63016")
    expect(business.get_by_role("button", name="Send anyway")).to_be_enabled()
    # The person writes, and the window opens.
    sandbox.write(BEN, "Hello?")
    expect(decision).to_have_text("Will be sent now")
    business.get_by_role("button", name="Send", exact=True).click()
    expect_status(Phone(page, "Ben").got("We are open"), "read")
    page.keyboard.press("Escape")
    expect(business).to_be_hidden()
    expect(page.get_by_role("button", name="Send as the business")).to_be_focused()


def test_command_of_the_system_decides_and_explains(open_page, receiver, tmp_path, monkeypatch):
    command = tmp_path / "send.py"
    command.write_text(COMMAND)
    monkeypatch.setenv("SEND_COMMAND", f"{sys.executable} {command}")
    with SandboxProcess(receiver.inbound_url) as sandbox:
        page = open_page(sandbox.url, viewport=DESKTOP)
        business = open_business(page)
        business.get_by_label("To").select_option(BEN)
        decision = business.get_by_role("status", name="Decision")
        expect(decision).to_contain_text("Will wait until 20 Nov, ")
        expect(decision).to_contain_text("quiet hours of +14155550124")
        business.get_by_role("button", name="Send anyway").click()
        expect(business.get_by_role("status", name="Result")).to_have_text("the queue does not exist")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, NARROW], ids=["desktop", "narrow"])
def test_business_form_has_no_accessibility_violations(open_page, sandbox, colours, size):
    page = open_page(sandbox.url, viewport=size, color_scheme=colours, reduced_motion="reduce")
    business = open_business(page)
    expect(business.get_by_role("status", name="Decision")).to_have_text("Will be sent now")
    expect(business.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
    business.get_by_text("As JSON").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def scenario(status: str) -> dict:
    content = {"type": "template", "content_sid": ORDER_UPDATE, "variables": {"1": "Ben", "2": "7"}}
    return {
        "title": "An order is on its way",
        "steps": [
            {"notify": {"to": "+14155550124", "category": "utility", "content": content}},
            {"expect": {"message": {"to": BEN, "status": status}, "within_seconds": 3}},
        ],
    }


def run_file(group: Locator, steps: dict) -> Locator:
    content = {"name": "order.json", "mimeType": "application/json", "buffer": json.dumps(steps).encode()}
    group.get_by_label("Scenario file").set_input_files(content)
    return group.get_by_role("status", name="Verdict")


def test_scenario_ends_with_a_verdict(page):
    group = open_controls(page, "Scenarios")
    verdict = run_file(group, scenario("delivered"))
    expect(verdict).to_contain_text("Passed: 1 of 1")
    expect(verdict.get_by_role("listitem")).to_have_count(1)
    expect(timeline(page, "Verdict")).to_have_count(1)
    run_file(group, scenario("failed"))
    expect(verdict).to_contain_text("Failed: ")
    expect(verdict).to_contain_text("Seen: ")
    expect(group.get_by_text("Running: ")).to_be_hidden()
    assert violations(page) == []


def test_preset_says_what_to_expect_and_is_stopped(page):
    group = open_controls(page, "Scenarios")
    group.get_by_role("combobox", name="Preset").select_option("A webhook is lost")
    expect(group).to_contain_text("Expect: Ava's message does not arrive as a webhook.")
    group.get_by_role("button", name="Run it").click()
    expect(group).to_contain_text("Running: A webhook is lost")
    expect(Phone(page, "Ava").said("Did you get this?")).to_have_count(1)
    group.get_by_role("button", name="Stop").click()
    expect(group.get_by_text("Running: ")).to_be_hidden()


def test_clock_is_set_back_to_now(page):
    back = page.get_by_role("button", name="Back to now")
    expect(back).to_be_hidden()
    page.get_by_role("button", name="+1 day").click()
    page.get_by_role("button", name="+1 hour").click()
    expect(page.get_by_role("banner")).to_contain_text("1 d 1 h ahead")
    expect(page.get_by_role("banner")).to_contain_text("The functions keep the real time.")
    back.click()
    expect(back).to_be_hidden()
    expect(page.get_by_role("banner")).not_to_contain_text("ahead")
    expect(page.get_by_role("button", name="+1 hour")).to_be_focused()


def test_meaning_of_an_error_code_is_shown(page):
    group = open_controls(page, "Misbehaviour")
    group.get_by_role("combobox", name="What").select_option(label="Fails with an error code")
    meaning = group.get_by_role("status", name="Meaning of the code")
    expect(meaning).to_have_text("Free-form message outside the allowed window")
    group.get_by_label("Error code").fill("99999")
    expect(meaning).to_have_text("99999 is not one of Twilio's usual codes")
