"""Take the pictures of the operator's page: ``python -m tests.admin.pages.pictures``.

They show the demo's attack, in virtual time, and go to ``docs/images``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.admin.api import WRITE
from tests.admin.pages.scene import CAMPAIGN, SCANNER, app_of, begin_campaign, play
from tests.admin.pages.served import served
from tests.chromium import chromium_with

FOLDER: Final = Path(__file__).parents[3] / "docs" / "images"
MOST_BYTES: Final = 60_000
COLOURS: Final = 64
"""Colours of a picture: fewer than a screen has, so that it is small."""


class Picture(NamedTuple):
    """Describe a picture: name, path of the view, width and height in pixels, dark or light."""

    name: str
    path: str
    width: int
    height: int
    dark: bool = False


def views_of(name: str, path: str, height: int) -> tuple[Picture, ...]:
    """Describe the pictures of a view: in light, in dark, and on a phone."""
    return (
        Picture(f"page-{name}", path, 1200, height),
        Picture(f"page-{name}-dark", path, 1200, height, dark=True),
        Picture(f"page-{name}-phone", path, 390, 844),
    )


PICTURES: Final = (
    *views_of("overview", "/", 1000),
    *views_of("traffic", "/traffic", 1000),
    *views_of("incidents", "/incidents", 500),
    *views_of("clients", "/clients?order=flagged", 640),
    *views_of("client", f"/client?id={SCANNER}", 1300),
    *views_of("models", "/models?threshold=-0.2", 1000),
    *views_of("limits", "/limits", 900),
    *views_of("audit", "/audit", 500),
)

OF_CAMPAIGN: Final = views_of("campaign", f"/campaign?id={CAMPAIGN.id}", 640)
"""Pictures of what the demo's attack has none of."""


def sign_in(driver: Chrome, origin: str, token: str = WRITE) -> None:
    """Sign in by the form."""
    driver.get(f"{origin}/admin/")
    driver.find_element(By.ID, "token").send_keys(token)
    driver.find_element(By.CSS_SELECTOR, "button.main").click()


def show(driver: Chrome, picture: Picture, origin: str) -> None:
    """Open the view of a picture, in its size and its colours."""
    scheme = "dark" if picture.dark else "light"
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": picture.width, "height": picture.height}
    metrics = {**size, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(f"{origin}/admin/page{picture.path}")


def take(driver: Chrome) -> bytes:
    """Take a picture of what is shown, as a small PNG."""
    with Image.open(io.BytesIO(driver.get_screenshot_as_png())) as shot:
        small = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    written = io.BytesIO()
    small.save(written, "PNG", optimize=True)
    return written.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all pictures."""
    folder = Path(arguments[0]) if arguments else FOLDER
    worker = play()
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium_with(Path(profile)) as driver,
        served(app_of(worker)) as origin,
    ):
        sign_in(driver, origin)
        for picture in (*PICTURES, *OF_CAMPAIGN):
            if picture == OF_CAMPAIGN[0]:
                begin_campaign(worker)
            show(driver, picture, origin)
            data = take(driver)
            (folder / f"{picture.name}.png").write_bytes(data)
            print(f"{picture.name}: {len(data):,} bytes", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
