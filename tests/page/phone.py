"""The parts of the page, found by their accessible names."""

import re

from playwright.sync_api import Locator, Page, expect


class Phone:
    """A person's phone."""

    def __init__(self, page: Page, name: str) -> None:
        self.name = name
        self.region = page.get_by_role("region", name=f"{name}'s phone")
        self.messages = self.region.get_by_role("list", name=f"Messages on {name}'s phone")
        self.text = self.region.get_by_role("textbox", name=f"Message as {name}")

    def write(self, body: str) -> None:
        self.text.fill(body)
        self.region.get_by_role("button", name="Send", exact=True).click()

    def button(self, name: str) -> Locator:
        return self.region.get_by_role("button", name=name, exact=True)

    def said(self, body: str) -> Locator:
        """The person's own messages with this text."""
        return self._by(self.name, body)

    def got(self, body: str) -> Locator:
        """The messages from the business with this text."""
        return self._by("Business", body)

    def _by(self, author: str, body: str) -> Locator:
        items = self.messages.get_by_role("listitem", name=re.compile(f"^{author}, "))
        return items.filter(has_text=body)


def expect_status(message: Locator, status: str) -> None:
    """Waits until exactly one message matches and has this status."""
    expect(message).to_have_count(1)
    expect(message).to_contain_text(status)


def timeline(page: Page, *words: str) -> Locator:
    """The visible lines of the timeline that contain all these words."""
    lines = page.get_by_role("log", name="Timeline").get_by_role("button").and_(page.locator("[aria-controls^='details-']"))
    for word in words:
        lines = lines.filter(has_text=word)
    return lines


def unfold(page: Page) -> None:
    """Shows what followed from each cause, from now on."""
    page.get_by_role("button", name="Unfold all").click()


def fold(page: Page) -> None:
    """Shows the rows alone again."""
    page.get_by_role("button", name="Unfold all").click()


def controls_button(page: Page) -> Locator:
    """The button of the controls. Its name ends with how many faults are on, as in `Controls 2 on`."""
    return page.get_by_role("button", name=re.compile(r"^Controls( \d+ on)?$"))


def misbehave(page: Page, who: str, what: str, **fields: str) -> None:
    """Switches a misbehaviour on for the next call, through the controls: `fields` as in `Error_code="63003"`."""
    controls = page.get_by_role("region", name="Controls")
    if not controls.is_visible():
        controls_button(page).click()
    controls.get_by_role("combobox", name="Who").select_option(label=who)
    controls.get_by_role("combobox", name="What").select_option(label=what)
    for name, value in fields.items():
        controls.get_by_label(name.replace("_", " ")).fill(value)
    controls.get_by_role("button", name="Switch on").click()
    expect(controls.get_by_role("list", name="Switched on").get_by_role("listitem").filter(has_text=who)).to_have_count(1)
