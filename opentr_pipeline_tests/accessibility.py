"""What Deque's checker of accessibility finds on a page."""

from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

# WCAG 2.1, levels A and AA, and what axe counts among good practice.
_RUN = """async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
    const { violations } = await axe.run({ runOnly: rules });
    return violations.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map(({ html, any }) => (
        `${html} ${any[0]?.message ?? ""}`))].join(": "));
}"""


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Each rule that is not kept, with where; of a page whose policy is bypassed."""
    page.evaluate(_axe())
    found: list[str] = page.evaluate(_RUN)
    return found
