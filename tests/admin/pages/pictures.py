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


PICTURES: Final = (
    Picture("page-overview", "/", 1200, 1000),
    Picture("page-overview-dark", "/", 1200, 1000, dark=True),
    Picture("page-overview-phone", "/", 390, 844),
    Picture("page-traffic", "/traffic", 1200, 1000),
    Picture("page-traffic-dark", "/traffic", 1200, 1000, dark=True),
    Picture("page-traffic-phone", "/traffic", 390, 844),
    Picture("page-incidents", "/incidents", 1200, 500),
    Picture("page-incidents-dark", "/incidents", 1200, 500, dark=True),
    Picture("page-incidents-phone", "/incidents", 390, 844),
    Picture("page-clients", "/clients?order=flagged", 1200, 640),
    Picture("page-clients-dark", "/clients?order=flagged", 1200, 640, dark=True),
    Picture("page-clients-phone", "/clients?order=flagged", 390, 844),
    Picture("page-client", f"/client?id={SCANNER}", 1200, 1300),
    Picture("page-client-dark", f"/client?id={SCANNER}", 1200, 1300, dark=True),
    Picture("page-client-phone", f"/client?id={SCANNER}", 390, 844),
    Picture("page-models", "/models?threshold=-0.2", 1200, 1000),
    Picture("page-models-dark", "/models?threshold=-0.2", 1200, 1000, dark=True),
    Picture("page-models-phone", "/models", 390, 844),
    Picture("page-limits", "/limits", 1200, 900),
    Picture("page-limits-dark", "/limits", 1200, 900, dark=True),
    Picture("page-limits-phone", "/limits", 390, 844),
    Picture("page-audit", "/audit", 1200, 500),
    Picture("page-audit-dark", "/audit", 1200, 500, dark=True),
    Picture("page-audit-phone", "/audit", 390, 844),
)

OF_CAMPAIGN: Final = (
    Picture("page-campaign", f"/campaign?id={CAMPAIGN.id}", 1200, 640),
    Picture("page-campaign-dark", f"/campaign?id={CAMPAIGN.id}", 1200, 640, dark=True),
    Picture("page-campaign-phone", f"/campaign?id={CAMPAIGN.id}", 390, 844),
)
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
