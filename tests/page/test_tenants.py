"""Two accounts side by side: each has a page, and both have one API, as at Twilio."""

import requests
from playwright.sync_api import expect

from phone import Phone
from play import ACCOUNT_SID, API_KEY, API_KEY_SECRET, AVA, DEADLINE, SENDER, Receiver, SandboxProcess

SECOND = ("AC000000000000000000000000000000b2", "SK000000000000000000000000000000b2", "second-secret")
FIRST = (ACCOUNT_SID, API_KEY, API_KEY_SECRET)
SECOND_SENDER = "whatsapp:+14155238899"


def send(url: str, account: tuple[str, str, str], sender: str, body: str) -> requests.Response:
    """Calls the API at one URL for an account."""
    sid, key, secret = account
    form = {"From": sender, "To": AVA, "Body": body}
    return requests.post(f"{url}/2010-04-01/Accounts/{sid}/Messages.json", form, auth=(key, secret), timeout=DEADLINE)


def test_two_accounts_are_shown_side_by_side(open_page):
    receiver = Receiver()
    with SandboxProcess(receiver.inbound_url, SECOND_PORT="0") as sandbox:
        first = open_page(sandbox.url)
        link = first.get_by_role("navigation", name="Other accounts").get_by_role("link")
        expect(link).to_have_attribute("title", f"Account {SECOND[0]}")
        second = open_page(link.get_attribute("href"))
        back = second.get_by_role("navigation", name="Other accounts").get_by_role("link")
        expect(back).to_have_attribute("href", sandbox.url)

        phones = {"first": Phone(first, "Ava"), "second": Phone(second, "Ava")}
        for name, account in [("first", FIRST), ("second", SECOND)]:
            phones[name].write(f"Hello {name}")
            assert receiver.expect_message(f"Hello {name}").form["AccountSid"] == account[0]
        # Both calls go to the API at the first one's URL.
        assert send(sandbox.url, FIRST, SENDER, "From the first").status_code == 201
        assert send(sandbox.url, SECOND, SECOND_SENDER, "From the second").status_code == 201
        for name, other in [("first", "second"), ("second", "first")]:
            expect(phones[name].got(f"From the {name}")).to_have_count(1)
            expect(phones[name].got(f"From the {other}")).to_have_count(0)
            expect(phones[name].said(f"Hello {other}")).to_have_count(0)


def test_one_account_cannot_use_the_others_key_or_sender():
    with SandboxProcess(Receiver().inbound_url, SECOND_PORT="0") as sandbox:
        wrong_key = (FIRST[0], SECOND[1], SECOND[2])
        assert send(sandbox.url, wrong_key, SENDER, "Hello").status_code == 401
        refused = send(sandbox.url, FIRST, SECOND_SENDER, "Hello")
        assert (refused.status_code, refused.json()["code"]) == (400, 63007)
