"""One-time passwords and typing indicators on the page."""

import re

import requests
from playwright.sync_api import expect

from phone import Phone, timeline, unfold
from play import API_KEY, API_KEY_SECRET, AVA, DEADLINE

SERVICE = "VA00000000000000000000000000000001"


def call(sandbox, path, **form):
    answer = requests.post(f"{sandbox.url}{path}", data=form, auth=(API_KEY, API_KEY_SECRET), timeout=DEADLINE)
    assert answer.ok, answer.text
    return answer.json()


def test_code_is_on_the_phone_and_its_state_on_the_timeline(page, sandbox):
    unfold(page)
    number = AVA.removeprefix("whatsapp:")
    call(sandbox, f"/v2/Services/{SERVICE}/Verifications", To=number, Channel="whatsapp")
    ava = Phone(page, "Ava")
    message = ava.got("")
    expect(message).to_have_count(1)
    code = re.search(r"\b\d{6}\b", message.inner_text())[0]
    expect(timeline(page, "Verification", "is pending", "sent by whatsapp, 1 of 5", "Ava")).to_have_count(1)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    call(sandbox, f"/v2/Services/{SERVICE}/VerificationCheck", To=number, Code=wrong)
    expect(timeline(page, "Verification", "is pending", "the code is wrong, check 1 of 5")).to_have_count(1)
    call(sandbox, f"/v2/Services/{SERVICE}/VerificationCheck", To=number, Code=code)
    expect(timeline(page, "Verification", "is approved", "the code is right")).to_have_count(1)


def test_phone_shows_the_typing_indicator_until_the_answer(page, sandbox):
    unfold(page)
    ava = Phone(page, "Ava")
    sid = sandbox.write(AVA, "Where is my order?")["message_sid"]
    written = ava.said("Where is my order?")
    expect(written).to_contain_text("200")
    indicator = ava.region.get_by_text("The business is typing…")
    expect(indicator).to_be_hidden()
    call(sandbox, "/v2/Indicators/Typing.json", channel="whatsapp", messageId=sid)
    expect(indicator).to_be_visible()
    expect(written).to_contain_text("200, read")
    expect(timeline(page, "Typing", "an answer is being written")).to_have_count(1)
    sandbox.send(To=AVA, Body="It is on its way.")
    expect(ava.got("It is on its way.")).to_have_count(1)
    expect(indicator).to_be_hidden()
