"""How browser tests wait: for what a page or the disk will hold, never for a time, so that a slow machine changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Page, expect

Read = TypeVar("Read")

PATIENCE_S = 60.0
TRY_S = 4.0
"""How long an action may take to show before it is done once more."""
POLL_MS = 100
STEADY_READS = 4


def eventually(page: Page, holds: Callable[[], bool], told: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds; fail with what was told if it does not in time."""
    assert _comes_true(page, holds, patience_s), f"after {patience_s:g} s: {told}"


def settled(page: Page, read: Callable[[], Read], expected: Read, patience_s: float = PATIENCE_S) -> Read:
    """What is read once it is as expected, or the last of it: a page shows a change before the server has written it."""
    _comes_true(page, lambda: read() == expected, patience_s)
    return read()


def steady(page: Page, read: Callable[[], Read]) -> Read:
    """What is read once it has stopped to change, as it does when a page is whole."""
    deadline = time.monotonic() + PATIENCE_S
    found, same = read(), 1
    while same < STEADY_READS and time.monotonic() < deadline:
        page.wait_for_timeout(POLL_MS)
        again = read()
        found, same = again, same + 1 if again == found else 1
    assert same >= STEADY_READS, f"still changing after {PATIENCE_S:g} s: {found}"
    return found


def repeat_until(page: Page, act: Callable[[], None], holds: Callable[[], bool], told: str) -> None:
    """Do something again and again until it has shown: a pointer misses what moves away under it while a page is drawn."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        act()
        if _comes_true(page, holds, TRY_S):
            return
        assert time.monotonic() < deadline, f"after {PATIENCE_S:g} s of trying: {told}"


def whole(page: Page) -> None:
    """Wait until the server has sent the whole page: what is drawn again closes an open list and takes buttons away."""
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")


def _comes_true(page: Page, holds: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        page.wait_for_timeout(POLL_MS)
    return True
