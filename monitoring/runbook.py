"""Put the runbook where alerts can link to it: ``python -m monitoring.runbook``.

Writes ``prometheus/consoles/runbook.html`` from ``docs/runbook.md``, a page that Prometheus itself
serves, and lets the alerts link to it. ``--url URL`` has them link to one published elsewhere.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "docs" / "runbook.md"
CONSOLES: Final = Path(__file__).parent / "prometheus" / "consoles"
PAGE: Final = CONSOLES / "runbook.html"
RULES: Final = Path(__file__).parent / "prometheus" / "irl_alert_rules.yml"
URL: Final = "{{ $externalURL }}/consoles/runbook.html"
"""Place of the page below Prometheus's own URL, which an alert's template knows."""
LINK: Final = re.compile(r'^( +runbook_url: )"?[^#\n]+#([a-z]+)"?$', re.MULTILINE)
FRAME: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>flask_irl runbook</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; }
code, pre { background: #8881; font-size: 0.9em; }
pre { overflow-x: auto; padding: 0.6rem; }
h2 { border-top: 1px solid #8888; margin-top: 2rem; padding-top: 1rem; }
:target { background: #fe86; }
</style>
</head>
<body>
%s</body>
</html>
"""


def page(markdown: str) -> str:
    """Write the runbook in HTML, each heading with its anchor, as a console of Prometheus."""
    body = str(MarkdownIt("commonmark").enable("table").render(markdown))
    body = re.sub(
        r"<h2>(.*?)</h2>",
        lambda match: f'<h2 id="{match[1].lower().replace(" ", "-")}">{match[1]}</h2>',
        body,
    )
    # Other pages of the docs aren't there.
    body = re.sub(r'<a href="(?!#)[^":]*">(.*?)</a>', r"\1", body)
    # A console is a template, in which two braces begin an action.
    return FRAME % body.replace("{{", '{{ "{{" }}')


def linked(rules: str, url: str) -> str:
    """Let the alerts of a file of rules link to a runbook at a URL."""
    return LINK.sub(lambda match: f'{match[1]}"{url}#{match[2]}"', rules)


def main() -> None:
    """Write the page, and the links of the alerts."""
    parser = argparse.ArgumentParser(description="Put the runbook where alerts can link to it.")
    parser.add_argument("--url", default=URL, help="its URL (default: %(default)s)")
    url = parser.parse_args().url
    CONSOLES.mkdir(exist_ok=True)
    PAGE.write_text(page(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
    RULES.write_text(linked(RULES.read_text(encoding="utf-8"), url), encoding="utf-8")


if __name__ == "__main__":
    main()
