"""The controls for what Twilio's documentation leaves open."""

import pytest
from playwright.sync_api import expect

from phone import controls_button
from play import AVA


@pytest.fixture
def page(open_page, sandbox):
    page = open_page(sandbox.url, viewport={"width": 1440, "height": 900})
    controls_button(page).click()
    return page


def test_each_open_question_shows_the_answer_of_the_sandbox(page, sandbox):
    choices = sandbox.control("GET", "choices").json()
    questions = page.get_by_role("group", name="Open questions").get_by_role("combobox")
    expect(questions).to_have_count(len(choices))
    for question, chosen in zip(questions.all(), choices.values(), strict=True):
        expect(question).to_have_value(chosen)


def test_answer_to_an_open_question_is_kept_and_takes_effect(page, sandbox, receiver):
    question = page.get_by_label("A message that breaks a rule ends as")
    question.select_option("undelivered")
    expect(question).to_have_value("undelivered")
    page.reload()
    expect(page.get_by_label("A message that breaks a rule ends as")).to_have_value("undelivered")
    sid = sandbox.send(To=AVA, Body="news", StatusCallback=receiver.status_url)
    assert receiver.expect_status(sid, "undelivered").form["ErrorCode"] == "63016"
    sandbox.control("PUT", "choices", {"broken_rule": "failed"})
    expect(page.get_by_label("A message that breaks a rule ends as")).to_have_value("failed")
