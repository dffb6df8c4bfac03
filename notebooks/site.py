#!/usr/bin/env python3
"""A site of executed notebooks: target/site/index.html and a page a notebook, all in themselves.

`./course notebooks --site` calls it. Figures lie in the pages, formulas are MathML; nothing is fetched from
elsewhere, and there are no scripts. A notebook that has not been run since it last changed is shown with the
outputs that it was committed with.
"""

import html
import re
import sys
from pathlib import Path

try:
    import nbformat
    from latex2mathml.converter import convert
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter
except ImportError as error:
    sys.exit(f"error: no Python package {error.name} here; type: ./course notebooks --site, which has what this needs")

HERE = Path(__file__).resolve().parent
SITE = HERE.parent / "target" / "site"

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 0 auto; padding: 0 1rem 4rem; }
nav { padding: .8rem 0; border-bottom: 1px solid #ddd; font-size: .9rem; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
a { color: #00518f; }
h1 { line-height: 1.2; } h2 { margin-top: 2.4rem; }
img { max-width: 100%; height: auto; }
pre { overflow-x: auto; padding: .6rem .8rem; margin: .4rem 0; font: .82rem/1.45 ui-monospace, monospace; }
.highlight pre { background: #f6f7f8; border-left: 3px solid #00518f; }
.jp-OutputArea-output pre { background: none; padding: .2rem .8rem; }
.prompt, .jp-InputPrompt, .jp-OutputPrompt, .anchor-link { display: none; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; margin: .6rem 0; }
td, th { padding: .18rem .6rem; border-bottom: 1px solid #e4e4e4; }
caption { color: #555; padding-bottom: .3rem; }
math[display=block] { overflow-x: auto; overflow-y: hidden; margin: .8rem 0; padding: .2rem 0; }
code { font: .88em ui-monospace, monospace; overflow-wrap: anywhere; }
.highlight code, pre code { overflow-wrap: normal; }
"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body><nav>{links}</nav><main>{body}</main></body></html>
"""


def mathml(text):
    """Markdown whose formulas are MathML; code stays as it is."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else formulas(part) for part in parts)


def formulas(text):
    def one(match, display):
        # An unknown name; and a line that begins with + would be a list.
        tex = " ".join(match.group(1).replace(r"\arg\min", r"\mathrm{arg\,min}").split())
        return convert(tex, display=display)

    text = re.sub(r"\$\$(.+?)\$\$", lambda match: one(match, "block"), text, flags=re.DOTALL)
    return re.sub(r"(?<![\\$])\$([^$\n]+?)\$", lambda match: one(match, "inline"), text)


def latest(committed, executed):
    """The executed copy, unless the notebook has changed since."""
    is_current = executed.exists() and executed.stat().st_mtime > committed.stat().st_mtime
    return nbformat.read(executed if is_current else committed, as_version=4)


def title_of(notebook):
    return next(cell.source for cell in notebook.cells if cell.cell_type == "markdown").split("\n")[0].lstrip("# ")


def lesson_of(notebook):
    """What the lesson teaches, and how long it takes: the paragraph below the title."""
    return next(cell.source for cell in notebook.cells if cell.cell_type == "markdown").split("\n\n")[1]


def body_of(notebook, names):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source)
        else:
            cell.outputs = [output for output in cell.outputs if "tags" not in output.get("metadata", {})]
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r"<table", '<div class="table"><table', body).replace("</table>", "</table></div>")
    for name in names:
        body = body.replace(f"{name}.ipynb", f"{name}.html")
    # The repository's own files are not part of the site.
    return re.sub(r'<a href="\.\./[^"]*"[^>]*>(.*?)</a>', r"\1", body)


def main():
    SITE.mkdir(parents=True, exist_ok=True)
    style = STYLE + HtmlFormatter(style="xcode").get_style_defs(".highlight").replace("#ffffff", "#f6f7f8")
    committed = sorted(HERE.glob("[0-9]*.ipynb"))
    names = [path.stem for path in committed]
    notebooks = {}
    for path in committed:
        notebooks[path.stem] = latest(path, SITE / path.name)
        nbformat.write(notebooks[path.stem], SITE / path.name)
    titles = {name: title_of(notebook) for name, notebook in notebooks.items()}
    rows = []
    for position, (name, notebook) in enumerate(notebooks.items()):
        lesson = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(lesson_of(notebook)))
        lesson = re.sub(r"\[(.+?)\]\((\S+?)\.ipynb\)", r'<a href="\2.html">\1</a>', lesson)
        lesson = re.sub(r"`(.+?)`", r"<code>\1</code>", lesson).replace("\n", "<br>")
        rows.append(f'<h2><a href="{name}.html">{html.escape(titles[name])}</a></h2><p>{lesson}</p>')
        links = ['<a href="index.html">All lessons</a>']
        for neighbour in (position - 1, position + 1):
            if 0 <= neighbour < len(names):
                links.append(f'<a href="{names[neighbour]}.html">{html.escape(titles[names[neighbour]])}</a>')
        links.append(f'<a href="{name}.ipynb" download>this notebook</a>')
        page = PAGE.format(title=html.escape(titles[name]), style=style, links="".join(links),
                           body=body_of(notebook, names))
        (SITE / f"{name}.html").write_text(page)
    body = "<h1>lcz: the course</h1><p>Local Climate Zone classification with honest uncertainty, in Rust notebooks.</p>"
    index = PAGE.format(title="lcz: the course", style=style, links="", body=body + "".join(rows))
    (SITE / "index.html").write_text(index)
    print(f"{len(names)} pages: {SITE / 'index.html'}")


if __name__ == "__main__":
    main()
