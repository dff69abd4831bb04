"""A report as one HTML file: tables, and the worst clips with their words marked; nothing is fetched from elsewhere.

Every text of a manifest or a model is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

from .terminal import percent, run_line, summary_lines, table

MAX_OPEN_ROWS = 20

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --quiet: #59636e; --ground: #fff; --line: #d8dee4; --panel: #f6f8fa;
  --lost: #b42318; --lost-ground: #ffe9e7; --new: #116329; --new-ground: #dcf5e3; --bar: #7aa7d9; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --quiet: #9aa4af; --ground: #0f1318; --line: #30363d;
  --panel: #181d24; --lost: #ff9d94; --lost-ground: #47191a; --new: #7ee2a0; --new-ground: #12381f; --bar: #34639a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, ul { margin: .25rem 0; } ul { padding-left: 1.2rem; } .quiet { color: var(--quiet); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .5rem; margin: 1rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.card b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { background: var(--panel); } tr:last-child > * { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
td.rate { background: linear-gradient(to left, var(--bar) var(--share), transparent var(--share)) no-repeat
  bottom / 100% 3px; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; } audio { width: 100%; margin: .5rem 0; }
.diff { line-height: 1.9; } del, ins { padding: .1rem .25rem; border-radius: .25rem; text-decoration: none; }
del { background: var(--lost-ground); color: var(--lost); text-decoration: line-through; }
ins { background: var(--new-ground); color: var(--new); }
pre { background: var(--panel); padding: .75rem; border-radius: .5rem; overflow-x: auto; font-size: .85rem; }
"""

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head><body>
<h1>$title</h1><p class="quiet">$run</p>
$body
</body></html>
""")


def render(report: Mapping[str, Any], audio_address: Callable[[str], str] | None = None) -> str:
    """Give the page. `audio_address` turns a clip's path into the address its sound is played from, if it is to be."""
    groups = report["groups"]
    parts = [
        _cards(report),
        _list(summary_lines(report)),
        *(_table(by, members) for by, members in groups.items()),
        _likeness(report.get("likeness")),
        "<h2>The clips with the most errors</h2>" if report["worst"] else "",
        *(_worst(clip, audio_address) for clip in report["worst"]),
        f"<h2>What was run</h2><pre>{escape(json.dumps(report['config'], indent=1, ensure_ascii=False))}</pre>",
        f"<p class='quiet'>Texts are normalised as Whisper's are; {escape(str(report['normalisation']))}.</p>",
    ]
    name = report["config"].get("model") or report["config"].get("results") or "results"
    return _PAGE.substitute(
        title=escape(f"Evaluation of {name}"),
        style=_STYLE,
        run=escape(run_line(report)),
        body="\n".join(filter(None, parts)),
    )


def marked(changes: Iterable[Mapping[str, Any]]) -> str:
    """Give an alignment as HTML, what was missed struck through, what was heard instead in another colour.

    >>> marked([{"said": "a", "heard": "a", "equal": True}, {"said": "<b>", "heard": "c", "equal": False}])
    'a <del>&lt;b&gt;</del> <ins>c</ins>'
    """
    parts = []
    for change in changes:
        said, heard = escape(change["said"]), escape(change["heard"])
        if change["equal"]:
            parts.append(said)
        else:
            parts += [f"<del>{said}</del>"] if said else []
            parts += [f"<ins>{heard}</ins>"] if heard else []
    return " ".join(parts)


def _cards(report: Mapping[str, Any]) -> str:
    total = next(iter(report["groups"]["total"].values()), None)
    if total is None:
        return ""
    run = report["run"]
    cards = [
        ("word error rate", f"{percent(total['words']['rate'])} %"),
        ("character error rate", f"{percent(total['characters']['rate'])} %"),
        ("clips", str(run["n_clips"])),
        ("words said", str(total["words"]["n"])),
        ("words invented", str(run["silent"]["n_words"]) if run["silent"]["n_clips"] else None),
        ("real time", f"{run['speed']:.1f}x" if run["speed"] else None),
    ]
    shown = "".join(f"<div class='card'><b>{escape(value)}</b>{name}</div>" for name, value in cards if value)
    return f"<div class='cards'>{shown}</div>"


def _table(title: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Give a table; a long one is folded."""
    header, *rows = table(groups, title)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    lines = [
        "<tr>" + "".join(_cell(name, cell) for name, cell in zip(header, cells, strict=True)) + "</tr>"
        for cells in rows
    ]
    whole = f"<div class='wide'><table><tr>{head}</tr>{''.join(lines)}</table></div>"
    if title == "total":
        return f"<h2>In total</h2>{whole}"
    if len(rows) > MAX_OPEN_ROWS:
        whole = f"<details><summary>{len(rows)} groups</summary>{whole}</details>"
    return f"<h2>By {escape(title)}</h2>{whole}"


def _cell(name: str, text: str) -> str:
    """Give a cell; a rate has a bar under it, full from 100 % on."""
    if name in ("WER %", "CER %") and text != "-":
        return f"<td class='rate' style='--share: {min(100.0, float(text)):.0f}%'>{text}</td>"
    return f"<td>{escape(text)}</td>"


def _worst(clip: Mapping[str, Any], audio_address: Callable[[str], str] | None) -> str:
    words, language = clip["words"], clip["language"]
    rate = f"{percent(words['rate'])} %" if words["n"] else "nothing is said"
    notes = [f"{words[key]} {key}" for key in ("substitutions", "deletions", "insertions") if words[key]]
    if language["said"] and language["heard"] not in (None, language["said"]):
        notes.append(f"{language['said']} taken for {language['heard']}")
    notes += [f"“{phrase}” {times} times" for phrase, times in clip["loops"]]
    audio = ""
    if audio_address is not None:
        audio = (
            f"<audio controls preload='none' src='{escape(quote(audio_address(clip['path'])), quote=True)}'></audio>"
        )
    return (
        f"<details><summary><b>{escape(clip['id'])}</b> {rate} <span class='quiet'>{escape(', '.join(notes))}</span>"
        f"</summary>{audio}<p class='diff' dir='auto'>{marked(clip['changes'])}</p></details>"
    )


def _likeness(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    texts = [
        f"<details><summary>{escape(one['id'])}</summary><p>ours: {escape(one['ours'])}</p>"
        f"<p>theirs: {escape(one['theirs'])}</p></details>"
        for one in found["differences"]
        if "ours" in one
    ]
    return f"<h2>Beside {escape(found['name'])}</h2>{_list(found['lines'])}{''.join(texts)}"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line.strip())}</li>" for line in lines) + "</ul>"
