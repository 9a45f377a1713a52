"""A separate page for each test, with screenshots of failed tests in `.local/page/`."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from browser import DESKTOP, launch
from phone import Phone
from play import DEADLINE, ROOT

SCREENSHOTS = ROOT / ".local/page"
CONTEXTS = pytest.StashKey[list]()

expect.set_options(timeout=DEADLINE * 1000)


@pytest.fixture(scope="session")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def open_page(browser, request):
    """Opens a sandbox's page, with options for `browser.new_context`, and fails on errors and on requests to other hosts."""
    contexts, wrong = request.node.stash.setdefault(CONTEXTS, []), []

    def open_at(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE * 1000)
        page.on("pageerror", lambda error: wrong.append(f"error on the page: {error}"))
        page.on("request", lambda request: is_own(request.url, url) or wrong.append(f"request to {request.url}"))
        page.goto(url)
        expect(page.get_by_role("status", name="Connection")).to_have_text("Live")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(open_page, sandbox):
    return open_page(sandbox.url, viewport=DESKTOP, reduced_motion="reduce")


@pytest.fixture
def ava(page):
    return Phone(page, "Ava")


def is_own(requested: str, url: str) -> bool:
    # Messages may show pictures of the test's own receiver.
    return urlsplit(requested).scheme in ("data", "blob") or urlsplit(requested).hostname == urlsplit(url).hostname


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    # The sandbox and the browser still run here; when the fixtures end they do not.
    if report.when == "call" and report.failed:
        pages = [page for context in item.stash.get(CONTEXTS, []) for page in context.pages]
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(pages):
            page.screenshot(path=SCREENSHOTS / f"{item.name}-{number}.png", full_page=True)
    return report
