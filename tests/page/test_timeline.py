"""The page's timeline in a browser: rows and what followed from them, requests and answers, search, links, the keyboard."""

import re
import subprocess
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from browser import DESKTOP
from phone import Phone, expect_status, timeline, unfold
from play import AVA, BEN, eventually
from test_page import violations

PHONE_SIZE = {"width": 390, "height": 844}
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
REASON = "X-Twilio-Signature does not match the URL, the parameters and the account's keys"


@pytest.fixture
def page(open_page, sandbox):
    return open_page(sandbox.url, viewport=DESKTOP, **CLIPBOARD)


def entries(sandbox) -> list[dict]:
    return sandbox.control("GET", "state").json()["timeline"]


def webhook_of(sandbox, body: str) -> dict:
    """The entry of the webhook that carried a person's message."""

    def find():
        sent = [entry for entry in entries(sandbox) if entry["kind"] == "webhook"]
        return next((entry for entry in sent if f"Body={body}" in entry["exchange"]["request"]["body"]), None)

    return eventually(find, f"the webhook of {body}")


def report(sandbox, summary: str, **fields: object) -> None:
    """Adds an entry, as the observer of the system does."""
    sandbox.control("POST", "timeline", {"kind": "item", "outcome": "good", "summary": summary, **fields})


def after(entry: dict, milliseconds: int) -> str:
    at = datetime.fromisoformat(entry["at"]) + timedelta(milliseconds=milliseconds)
    return at.isoformat().replace("+00:00", "Z")


def effects_of(sandbox, webhook: dict) -> None:
    """Reports what followed from a webhook: the later effect first, as an observer that polls may do."""
    about = {"person": webhook["person"], "message_sid": webhook["message_sid"], "cause": webhook["cause"]}
    report(sandbox, "twilio_inbound published", **{**about, "kind": "event"}, at=after(webhook, 412))
    report(sandbox, "service window opened", **about, at=after(webhook, 21))


def details(page: Page):
    return page.locator(".entry-details:visible")


def test_row_unfolds_what_followed_in_the_order_of_time(page, sandbox):
    sandbox.write(AVA, "Hello")
    effects_of(sandbox, webhook_of(sandbox, "Hello"))
    fold = page.get_by_role("log").get_by_role("button", name="2 more entries")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(timeline(page)).to_have_count(1)
    expect(timeline(page, "Webhook", "Hello", "Ava")).to_have_count(1)
    fold.click()
    expect(timeline(page)).to_have_count(3)
    expect(timeline(page).nth(1)).to_contain_text("+21 ms")
    expect(timeline(page).nth(1)).to_contain_text("service window opened")
    expect(timeline(page).nth(2)).to_contain_text("+412 ms")
    fold.click()
    expect(timeline(page)).to_have_count(1)


def test_entry_stands_where_it_happened(page, sandbox):
    sandbox.write(AVA, "First")
    webhook = webhook_of(sandbox, "First")
    report(sandbox, "came before it", at=after(webhook, -5000))
    report(sandbox, "came after it", at=after(webhook, 5000))
    expect(timeline(page)).to_contain_text(["came before it", "First", "came after it"])


def test_row_of_a_notification_says_what_it_came_to(page, sandbox):
    sandbox.write(AVA, "Hello")
    webhook = webhook_of(sandbox, "Hello")
    about = {"person": AVA, "notification_id": "order-1", "kind": "decision"}
    report(sandbox, "order-1: claimed", **about, at=after(webhook, 1000))
    report(sandbox, "order-1: read", **about, at=after(webhook, 121_000))
    report(sandbox, "in between", at=after(webhook, 60_000))
    # At the time at which it began, so that the times are in order.
    expect(timeline(page)).to_contain_text(["Hello", "order-1: read", "in between"])
    times = [line.locator("time").inner_text() for line in timeline(page).all()]
    assert times == sorted(times)


def test_refused_webhook_shows_request_answer_and_reason(page, sandbox, receiver):
    receiver.status = 403
    receiver.answer = lambda _: REASON
    sandbox.write(BEN, "Is it me?")
    line = timeline(page, "Webhook", "403")
    expect(line).to_contain_text(REASON)
    line.click()
    opened = details(page)
    expect(opened).to_contain_text(REASON)
    expect(opened).to_contain_text(f"POST{receiver.inbound_url}403 Forbidden")
    request = opened.get_by_role("region", name="Request")
    expect(request.get_by_role("definition").filter(has_text="Is it me?")).to_be_visible()
    request.get_by_text(re.compile(r"\d+ headers")).click()
    expect(request.get_by_text("X-Twilio-Signature", exact=False).first).to_be_visible()
    expect(opened.get_by_role("region", name="Response")).to_contain_text(REASON)


def test_api_call_shows_what_was_sent_and_answered(page, sandbox):
    sid = sandbox.send(To=AVA, ContentSid="HX00000000000000000000000000000001", ContentVariables='{"1": "Ava"}')
    timeline(page, "API call", "POST Messages.json").click()
    expect(details(page).get_by_role("region", name="Request")).to_contain_text('{"1": "Ava"}')
    answer = details(page).get_by_role("region", name="Response")
    expect(answer).to_contain_text(sid)
    assert "sandbox-secret" not in page.content()


def test_request_is_copied_as_curl(page, sandbox, receiver):
    sandbox.write(AVA, "It's me & you")
    timeline(page, "Webhook").click()
    details(page).get_by_role("button", name="Copy as curl").click()
    expect(details(page).get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    subprocess.run(["bash", "-c", f"{command} --silent --output /dev/null"], check=True)
    first, second = receiver.calls
    assert second.pairs == first.pairs
    assert second.headers["X-Twilio-Signature"] == first.headers["X-Twilio-Signature"]


def test_key_sends_a_webhook_again_as_a_second_delivery(page, sandbox, receiver):
    sandbox.write(AVA, "Hello")
    timeline(page, "Webhook").focus()
    page.keyboard.press("r")
    expect(details(page)).to_contain_text("Sent again: 200 OK")
    first, second = receiver.calls
    assert second.form == first.form
    assert second.headers["I-Twilio-Idempotency-Token"] == first.headers["I-Twilio-Idempotency-Token"]
    unfold(page)
    expect(timeline(page, "delivery 2")).to_have_count(1)
    expect_status(Phone(page, "Ava").said("Hello"), "200, 2 deliveries")


def test_only_problems_are_shown(page, sandbox, receiver):
    sandbox.write(AVA, "Good")
    expect(timeline(page, "Webhook")).to_have_count(1)
    receiver.status = 500
    sandbox.write(AVA, "Bad")
    problems = page.get_by_role("button", name="Problems")
    expect(problems).to_have_accessible_name("Problems 1")
    problems.click()
    expect(timeline(page)).to_have_count(1)
    expect(timeline(page, "Bad")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(timeline(page)).to_have_count(2)


def test_problem_under_a_row_is_shown_with_the_row(page, sandbox):
    sandbox.write(AVA, "STOP")
    webhook = webhook_of(sandbox, "STOP")
    about = {"person": AVA, "message_sid": webhook["message_sid"], "cause": webhook["cause"]}
    report(sandbox, "opted out: all messages", **about, outcome="refused", at=after(webhook, 30))
    report(sandbox, "stored", **about, at=after(webhook, 31))
    expect(page.get_by_role("log").get_by_role("button", name="1 with a problem")).to_be_visible()
    page.get_by_role("button", name="Problems").click()
    expect(timeline(page)).to_contain_text(["STOP", "opted out: all messages"])


def test_search_finds_what_the_rows_show(page, sandbox):
    sandbox.write(AVA, "Where is my order?")
    sandbox.write(BEN, "Hello")
    expect(timeline(page)).to_have_count(2)
    for text, person in {
        "ava": "Ava",
        "+1 415 555 0124": "Ben",
        "order where": "Ava",
        "ben hello": "Ben",
        "Where is my": "Ava",
    }.items():
        page.get_by_role("searchbox", name="Search").fill(text)
        expect(timeline(page)).to_have_count(1)
        expect(timeline(page)).to_contain_text(person)
    page.get_by_role("searchbox", name="Search").fill("ava hello")
    expect(timeline(page)).to_have_count(0)
    # The name stands on the row, and nowhere in the entry.
    report(sandbox, "consent recorded", person=AVA)
    page.get_by_role("searchbox", name="Search").fill("consent ava")
    expect(timeline(page)).to_have_count(1)


def test_code_is_explained_and_linked(page, sandbox, receiver):
    sandbox.misbehave({"kind": "fail", "code": 63016}, to=AVA)
    receiver.expect_status(sandbox.send(To=AVA, Body="Lost", StatusCallback=receiver.status_url), "failed")
    failed = timeline(page, "Callback", "failed")
    expect(failed).to_have_accessible_name(re.compile("bad$"))
    failed.click()
    link = details(page).get_by_role("link", name="63016")
    expect(link).to_have_attribute("href", "https://www.twilio.com/docs/api/errors/63016")
    expect(details(page)).to_contain_text("The person has not written within the last 24 hours.")
    expect(details(page)).to_contain_text("Send an approved template")


def test_long_ids_are_shortened_and_copied_whole(page, sandbox):
    ids = [f"01a21357-eff6-7118-bd78-1579d70c5fa{last}" for last in "12"]
    for id in ids:
        report(sandbox, f"{id}: claimed, goes out as template over whatsapp", notification_id=id)
    for id in ids:
        summary = timeline(page, id).locator(".entry-summary")
        assert summary.evaluate("node => node.scrollWidth <= node.clientWidth"), "the summary is cut"
        assert summary.locator(".id").evaluate("node => node.clientWidth || node.getBoundingClientRect().width") < 160
    timeline(page, ids[1]).click()
    details(page).get_by_role("button", name="Copy the notification id").click()
    expect(details(page).get_by_title("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == ids[1]


def test_details_keep_their_names_and_leave_out_what_is_empty(page, sandbox):
    facts = {"WaId": "14155550123", "event_type": "inbound", "attempts": [], "metadata": {}, "reason": None, "lost": False}
    report(sandbox, "stored", details=facts)
    timeline(page, "stored").click()
    expect(details(page).get_by_role("term")).to_have_text(["at", "WaId", "event_type"])


def test_each_day_has_a_heading(page, sandbox):
    sandbox.write(AVA, "Hello")
    expect(timeline(page, "Hello")).to_have_count(1)
    page.get_by_role("button", name="+1 day").click()
    sandbox.write(AVA, "A day later")
    log = page.get_by_role("log")
    expect(log.get_by_text("Yesterday", exact=True)).to_be_visible()
    expect(log.get_by_text("Today", exact=True)).to_be_visible()


def test_verdict_shows_each_expectation(page, sandbox):
    lines = [
        {"step": 2, "expected": "a message was delivered", "seen": "delivered", "passed": True},
        {"step": 3, "expected": "an event was published", "seen": "none", "passed": False},
    ]
    report(sandbox, "Failed: 1 of 2 expectations were met", kind="verdict", outcome="bad", details={"lines": lines})
    timeline(page, "Verdict", "Failed").click()
    shown = details(page).get_by_role("list", name="Expectations").get_by_role("listitem")
    expect(shown).to_have_text(
        [
            "Passed: expected that a message was delivered Seen: delivered",
            "Failed: expected that an event was published Seen: none",
        ]
    )


def test_width_of_the_timeline_is_changed_and_kept(page, sandbox):
    split = page.get_by_role("separator", name="Width of the timeline")
    column = page.get_by_role("region", name="Timeline")
    width = lambda: column.bounding_box()["width"]  # noqa: E731
    before = width()
    split.focus()
    page.keyboard.press("ArrowLeft")
    assert width() > before + 20
    box = split.bounding_box()
    page.mouse.move(box["x"], 400)
    page.mouse.down()
    page.mouse.move(box["x"] - 100, 400, steps=4)
    page.mouse.up()
    wide = width()
    assert wide > before + 110
    page.reload()
    expect(page.get_by_role("status", name="Connection")).to_have_text("Live")
    assert abs(width() - wide) < 2
    split.dblclick()
    assert abs(width() - before) < 2


def test_link_opens_its_entry(page, sandbox, open_page):
    for number in range(1, 4):
        sandbox.write(AVA, f"Message {number}")
    webhook = webhook_of(sandbox, "Message+2")
    effects_of(sandbox, webhook)
    effect = eventually(
        lambda: next((entry for entry in entries(sandbox) if entry["summary"] == "service window opened"), None), "it"
    )
    linked = open_page(f"{sandbox.url}/#entry-{effect['number']}", viewport=DESKTOP)
    expect(timeline(linked, "service window opened")).to_have_attribute("aria-expanded", "true")
    expect(timeline(linked, "service window opened")).to_be_in_viewport()
    expect(details(linked)).to_have_count(1)
    timeline(page, "Message 2").click()
    details(page).get_by_role("button", name="Copy link").click()
    expect(page).to_have_url(f"{sandbox.url}/#entry-{webhook['number']}")
    assert page.evaluate("navigator.clipboard.readText()") == f"{sandbox.url}/#entry-{webhook['number']}"
    gone = open_page(f"{sandbox.url}/#entry-4711", viewport=DESKTOP)
    expect(gone.get_by_text("The sandbox has no entry 4711 any more.")).to_be_visible()


def test_keys_unfold_open_and_close(page, sandbox):
    sandbox.write(AVA, "Hello")
    effects_of(sandbox, webhook_of(sandbox, "Hello"))
    expect(page.get_by_role("log").get_by_role("button", name="2 more entries")).to_be_visible()
    row = timeline(page, "Hello")
    row.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    effect = timeline(page, "service window opened")
    expect(effect).to_be_focused()
    page.keyboard.press("Enter")
    expect(effect).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    expect(details(page).get_by_role("button", name="Show only its thread")).to_be_focused()
    page.keyboard.press("Escape")
    expect(effect).to_be_focused()
    expect(effect).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowLeft")
    expect(row).to_be_focused()
    expect(timeline(page)).to_have_count(1)


def test_thread_shows_the_time_since_it_began(page, sandbox):
    sandbox.write(AVA, "Hello")
    webhook = webhook_of(sandbox, "Hello")
    later = {"message_sid": webhook["message_sid"], "cause": f"callback:{webhook['message_sid']}:read"}
    report(sandbox, "much later", **later, at=after(webhook, 65_000))
    sandbox.write(BEN, "Not of the thread")
    expect(timeline(page)).to_have_count(3)
    timeline(page, "Hello").click()
    details(page).get_by_role("button", name="Show only its thread").click()
    expect(timeline(page)).to_have_count(2)
    expect(timeline(page, "much later")).to_contain_text("+1 min 5 s")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(timeline(page)).to_have_count(3)


def test_older_entries_load_on_scrolling(open_page, sandbox):
    for number in range(1, 621):
        report(sandbox, f"entry {number}.")
    page = open_page(sandbox.url, viewport=DESKTOP)
    expect(timeline(page, "entry 620.")).to_be_in_viewport()
    expect(timeline(page, "entry 1.")).to_have_count(0)
    page.get_by_role("log").evaluate("node => { node.scrollTop = 0; }")
    expect(timeline(page, "entry 1.")).to_have_count(1)
    expect(timeline(page)).to_have_count(620)
    expect(timeline(page, "entry 121.")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Load older entries")).to_have_count(0)


def test_dropped_entries_are_reported(open_page, sandbox):
    for number in range(510):
        report(sandbox, f"entry {number}.")
    page = open_page(sandbox.url, viewport=DESKTOP)
    nothing = {"entries": [], "older": False, "forgotten": 1340}
    page.route("**/sandbox/timeline?*", lambda route: route.fulfill(json=nothing))
    page.get_by_role("button", name="Load older entries").click()
    expect(page.get_by_text("1,340 older entries are no longer kept.")).to_be_visible()


def test_search_looks_at_older_entries_too(open_page, sandbox):
    report(sandbox, "the needle")
    for number in range(510):
        report(sandbox, f"hay {number}")
    page = open_page(sandbox.url, viewport=DESKTOP)
    page.get_by_role("searchbox", name="Search").fill("needle")
    expect(timeline(page, "the needle")).to_have_count(1)


def test_reload_keeps_answers_and_opt_outs(page, sandbox, receiver):
    receiver.status = 403
    sandbox.write(AVA, "Is it me?")
    expect_status(Phone(page, "Ava").said("Is it me?"), "403")
    for number in range(510):
        report(sandbox, f"hay {number}")
    page.reload()
    expect_status(Phone(page, "Ava").said("Is it me?"), "403")
    Phone(page, "Ava").said("Is it me?").get_by_role("button", name="Show what belongs to this message").click()
    expect(timeline(page, "Webhook", "403")).to_have_count(1)


def test_opened_entry_stays_open_after_a_disconnection(page, sandbox):
    page.context.add_init_script(
        "window.streams = []; const Source = EventSource;"
        "EventSource = class extends Source { constructor(url) { super(url); streams.push(this); } };"
    )
    page.reload()
    sandbox.write(AVA, "Hello")
    timeline(page, "Hello").click()
    connection = page.get_by_role("status", name="Connection")
    page.evaluate("streams[0].close(); streams[0].dispatchEvent(new Event('error'));")
    expect(connection).to_have_text("Disconnected")
    expect(connection).to_have_text("Live")
    expect(details(page)).to_have_count(1)


def test_button_for_the_newest_covers_nothing(page, sandbox):
    for number in range(60):
        report(sandbox, f"entry {number}", details={"note": "a value"})
    page.get_by_role("log").evaluate("node => { node.scrollTop = 200; }")
    newest = page.get_by_role("button", name="Newest")
    expect(newest).to_be_visible()
    log, button = page.get_by_role("log").bounding_box(), newest.bounding_box()
    assert log["y"] + log["height"] <= button["y"] + 1
    report(sandbox, "one more")
    expect(newest).to_have_accessible_name(re.compile("Newest ?1"))
    newest.click()
    expect(timeline(page, "one more")).to_be_in_viewport()


def test_typical_summaries_are_not_cut(page, sandbox):
    sid = "SM0123456789abcdef0123456789abcdef"
    typical = [
        f"01a21357-eff6-7118-bd78-1579d70c5fa2: accepted by Twilio as {sid}",
        f"Messages: inbound of {sid}",
        "order-18473: claimed, goes out as template over whatsapp",
        "POST Messages.json: 429 (20429 Too Many Requests)",
        f"twilio_status of {sid}: delivered",
    ]
    for summary in typical:
        report(sandbox, summary, person="whatsapp:+14155550199")
    expect(timeline(page)).to_have_count(len(typical))
    for line in timeline(page).all():
        cut = line.locator(".entry-summary").evaluate("node => node.scrollWidth - node.clientWidth")
        assert cut <= 0, line.inner_text()
        expect(line.locator(".entry-person")).to_have_text("+1 415 555 0199")
        assert line.locator(".entry-person").evaluate("node => node.scrollWidth <= node.clientWidth")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE_SIZE], ids=["desktop", "narrow"])
def test_timeline_has_no_accessibility_violations(open_page, sandbox, receiver, colours, size):
    sandbox.write(AVA, "Hello")
    effects_of(sandbox, webhook_of(sandbox, "Hello"))
    receiver.status = 403
    receiver.answer = lambda _: REASON
    sandbox.write(BEN, "Is it me? " + "It is a long text. " * 90)
    sid = f"SM{'0' * 32}"
    report(sandbox, f"failed as {sid}", outcome="bad", person=BEN, message_sid=sid, details={"code": 63016})
    look = {"viewport": size, "color_scheme": colours, "reduced_motion": "reduce", "has_touch": size == PHONE_SIZE}
    page = open_page(sandbox.url, **look)
    unfold(page)
    for words in [["Hello"], ["Is it me?"], ["failed as"]]:
        timeline(page, *words).click()
    page.get_by_text(re.compile(r"\d+ headers")).first.click()
    expect(details(page)).to_have_count(3)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for node in page.locator(".timeline *:visible").all():
        fits = node.evaluate("node => node.getBoundingClientRect().right <= innerWidth + 0.5")
        assert fits, node.evaluate("node => node.outerHTML")
    details(page).first.get_by_role("button", name="Show only its thread").click()
    page.get_by_role("button", name="Problems").click()
    assert violations(page) == []
