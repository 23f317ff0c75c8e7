"""Take the pictures of docs/webui/: every tab, in both languages, for desktop and phone.

    python scripts/webui_pictures.py URL [FOLDER]

URL is a page that is served (grpoctl webui) from a folder with a few runs, one of them going on; the newest is shown.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

_TABS = ("recipes", "runs", "compare", "ask", "learn")
_SCREENS = {"": (1400, 950), "_phone": (390, 844)}
_LANGUAGES = {"": "en-US", "_zh": "zh-CN"}


def main() -> None:
    url, folder = sys.argv[1].rstrip("/"), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/webui")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for language, locale in _LANGUAGES.items():
            for screen, size in _SCREENS.items():
                for tab in _TABS:
                    picture = folder / f"{tab}{language}{screen}.png"
                    _take(browser, url, tab, locale, size, picture)
                    print(picture)
        browser.close()


def _take(browser: Browser, url: str, tab: str, locale: str, size: tuple[int, int], picture: Path) -> None:
    context = browser.new_context(locale=locale, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto(f"{url}/?tab={tab}")
    page.locator(".island:visible > *").first.wait_for()
    if tab == "runs":
        page.locator("#runs-table .name").first.click()
    if tab == "ask":
        page.locator("#ask textarea").first.fill("Tom finds 18 coins, then another 84. How many in all?")
        page.locator("#ask button.primary").first.click()
        page.wait_for_timeout(9000)  # both models are loaded and answer
    page.wait_for_timeout(2500)  # the charts and what is asked for later
    page.screenshot(path=picture)
    context.close()
    # A page has few colours, and a palette of them is a third of the size.
    Image.open(picture).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    main()
