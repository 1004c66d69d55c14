"""The frame that every page stands in: one style, nothing fetched."""

import html

from edgert.records import Limits
from edgert.units import text_from_duration


def page(title: str, sections: list[str]) -> str:
    """Sections of HTML, empty ones left out, as one self-contained page."""
    body = "\n".join(filter(None, sections))
    return _PAGE.replace("{title}", safe(title)).replace("{body}", body)


def safe(text: str) -> str:
    """Text with what HTML would take for its own escaped."""
    return html.escape(str(text))


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table of texts, the first column to the left."""
    head = "".join(f"<th>{safe(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{safe(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return (
        f"<div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def limit_texts(limits: Limits) -> list[tuple[str, str]]:
    """Name and value of each limit that there is."""
    wanted = [
        ("deadline", limits.deadline_s, text_from_duration),
        ("period", limits.period_s, text_from_duration),
        ("power budget", limits.power_w, "{:g} W".format),
        ("temperature limit", limits.temp_c, "{:g} °C".format),
        ("energy budget", limits.energy_j, "{:g} J".format),
    ]
    return [(name, text(value)) for name, value, text in wanted if value is not None]


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1020px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .4em } h2 { font-size: 1.15em; margin: 1.6em 0 .4em }
dl.facts { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .1em 1em }
dt { opacity: .65 } dd { margin: 0 } figure { margin: 1em 0; overflow-x: auto }
svg { width: 100%; min-width: 640px; height: auto }
.note { background: var(--soft); border-left: 4px solid #c8402f; padding: .6em 1em }
.tiles { display: flex; flex-wrap: wrap; gap: .6em; margin: 1.2em 0 }
.tiles div { background: var(--soft); border-radius: 6px; padding: .5em .9em; min-width: 6em }
.tiles b { display: block; font-size: 1.25em } .tiles span { opacity: .7; font-size: .85em }
.shares { display: flex; gap: 2px; font-size: .85em; overflow: hidden }
.shares span { background: #2e8b5733; padding: .25em .4em; flex-basis: 0; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .88em; font-variant-numeric: tabular-nums }
th, td { padding: .25em .42em; border-bottom: 1px solid var(--line); text-align: right }
th { font-weight: 600; vertical-align: bottom } th:first-child, td:first-child { text-align: left }
td { white-space: nowrap } td.words { white-space: normal }
.words { text-align: left } .caption { opacity: .7; font-size: .9em }
@media (max-width: 640px) { dl.facts { grid-template-columns: max-content 1fr } }
@media print { body { margin: 0; max-width: none } .scroll { overflow: visible } }
</style></head><body>
{body}
</body></html>
"""
