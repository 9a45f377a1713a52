"""Makes docs/page.png: a conversation through the whole system that `stack exec` has started."""

from playwright.sync_api import expect

from browser import launch
from phone import Phone, expect_status, fold, misbehave, timeline, unfold
from play import DEADLINE, ORDER_UPDATE, ROOT
from stack import Stack, text

PICTURE = ROOT / "docs/page.png"
# Wide enough for three phones beside the timeline, and small enough to be read in a README.
SIZE = {"width": 1440, "height": 900}
AVA, BEN = "+14155550123", "+14155550124"


def play(page, stack: Stack) -> None:
    ava, ben, chloe = (Phone(page, name) for name in ("Ava", "Ben", "Chloe"))
    ben.write("When do you open?")
    expect_status(ben.said("When do you open?"), "200")
    stack.notify(BEN, text("At nine. See you then!"), id="hours-1")
    expect_status(ben.got("At nine"), "read")
    misbehave(page, "Ben", "Fails with an error code", Error_code="63003")
    fallback = [{"channel": "sms", "content": text("We close at six today.")}]
    stack.notify(BEN, text("Today we close at six."), id="hours-2", fallback=fallback)
    expect_status(ben.got("We close at six today."), "delivered")
    page.get_by_role("button", name="Close the controls").click()
    chloe.button("STOP").click()
    expect_status(chloe.said("STOP"), "200")
    ava.write("Where is my order?")
    expect_status(ava.said("Where is my order?"), "200")
    order = {"type": "template", "content_sid": ORDER_UPDATE, "variables": {"1": "Ava", "2": "18473"}}
    notification = stack.notify(AVA, order, id="order-18473")
    expect_status(ava.got("order 18473"), "read")
    ava.write("Thank you!")
    expect_status(ava.said("Thank you!"), "200")
    unfold(page)
    expect(timeline(page, "twilio_status", notification, "read")).to_have_count(1)
    fold(page)
    # The webhook of the question, with what followed from it.
    timeline(page, "Webhook of a message", "Where is my order?").focus()
    page.keyboard.press("ArrowRight")
    page.evaluate("document.activeElement.blur()")


def main() -> None:
    expect.set_options(timeout=DEADLINE * 1000)
    stack = Stack()
    with launch() as browser:
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(stack.url)
        play(page, stack)
        # The page highlights the timeline lines of the message under the pointer.
        Phone(page, "Ava").got("order 18473").hover()
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
    print(f"{PICTURE.relative_to(ROOT)} is made")


if __name__ == "__main__":
    main()
