"""How the page looks: in light and in dark, on a phone, on a screen and on paper.

Colours stand in one place each for light and dark; every pair of text and ground has a contrast of at least 4.5
(https://www.w3.org/TR/WCAG22/#contrast-minimum). Fonts are the reader's own.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #fbfaf7; --panel: #ffffff; --ink: #1c1b19; --quiet: #625d55; --line: #e4dfd6; --strong: #cfc8bb;
  --good: #17633f; --good-ground: #edf6f0; --bad: #9c2f1a; --bad-ground: #fdf0ec; --mark: #fbe6ae; --mark-line: #a8700a;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SFMono-Regular", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141517; --panel: #1b1d20; --ink: #e8e6e1; --quiet: #a6a29a; --line: #2d3035; --strong: #454a52;
    --good: #86d3a9; --good-ground: #16241d; --bad: #ffa38c; --bad-ground: #2d1b17; --mark: #4a3a10;
    --mark-line: #e0ae48;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 var(--sans);
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
main { max-width: 66rem; margin: 0 auto; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 2.5rem) 4rem; }
h1, h2, h3, h4 { line-height: 1.25; font-weight: 650; text-wrap: balance; margin: 0; }
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.3rem); letter-spacing: -0.02em; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; margin-bottom: 0.75rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
h4 { font-size: 0.9375rem; }
p { margin: 0 0 0.75rem; max-width: 46rem; text-wrap: pretty; }
section { margin-top: 2.75rem; }
code, pre { font-family: var(--mono); font-size: 0.8125rem; }
.quiet { color: var(--quiet); font-weight: 400; }
.kind { margin: 0 0 0.25rem; color: var(--quiet); font-size: 0.875rem; }

.verdict { margin-top: 1.5rem; padding: 1.25rem 1.5rem; border-left: 0.25rem solid; border-radius: 0.25rem; }
.verdict.good { background: var(--good-ground); border-color: var(--good); }
.verdict.bad { background: var(--bad-ground); border-color: var(--bad); }
.verdict h2 { font-size: clamp(1.15rem, 1rem + 0.8vw, 1.45rem); margin: 0; max-width: 46rem; }
.verdict p { margin: 0.6rem 0 0; }
.verdict .word { margin: 0 0 0.2rem; font-weight: 650; }
.verdict.good .word { color: var(--good); }
.verdict.bad .word { color: var(--bad); }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 0.5rem; padding: 1rem 1.25rem; }
.card h3 { margin: 0 0 0.6rem; }
.card dl, .keys {
  display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1rem; margin: 0; font-size: 0.875rem;
}
dt { color: var(--quiet); }
dd { margin: 0; }

.scroll { overflow-x: auto; overflow-wrap: normal; margin: 0.75rem 0; }
.scroll:focus-visible, pre:focus-visible { outline: 2px solid var(--quiet); outline-offset: 2px; }
table { border-collapse: collapse; font-size: 0.9375rem; min-width: 100%; }
caption { text-align: left; padding: 0 0 0.4rem; color: var(--quiet); font-size: 0.875rem; }
caption strong { color: var(--ink); font-weight: 650; }
th, td {
  padding: 0.45rem 0.75rem; text-align: right; white-space: nowrap; font-weight: 400;
  border-bottom: 1px solid var(--line); vertical-align: baseline;
}
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0.25rem; }
thead th { color: var(--quiet); font-size: 0.8125rem; border-bottom-color: var(--strong); vertical-align: bottom; }
.shared td:nth-child(2), .shared th:nth-child(2) { text-align: left; width: 30%; padding-left: 1.5rem; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.state.overlap, .cell.overlap { color: var(--bad); font-weight: 650; }
.state.none { color: var(--good); }
.state.shared, .state.not-counted, .cell.none { color: var(--quiet); }
.cell.overlap { background: var(--bad-ground); padding: 0.15rem 0.4rem; border-radius: 0.25rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 2.5rem; }
.beside > * { min-width: 0; }
.matrix { min-width: 0; }
.sources { font-size: 0.875rem; }

.case { margin: 1rem 0; background: var(--panel); border: 1px solid var(--line); border-radius: 0.5rem; }
.case h4 { padding: 0.75rem 1.25rem; border-bottom: 1px solid var(--line); }
.sides {
  display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); padding: 0 1.25rem 0.75rem; gap: 0 1.75rem;
}
.sides.one { grid-template-columns: minmax(0, 1fr); }
.sides.heads { padding: 0.75rem 1.25rem 0; }
.sides .who { margin: 0; font-size: 0.875rem; font-weight: 600; }
.sides:not(.heads) > div > .who { padding-top: 0.75rem; }
.field { margin: 0; padding: 0.75rem 1.25rem 0.1rem; font-size: 0.8125rem; font-weight: 600; }
.trace {
  white-space: pre-wrap; font-size: 0.9375rem; line-height: 1.5; max-height: 32rem; overflow: auto;
  padding: 0.1rem 0;
}
.keys { margin-top: 0.4rem; }
mark { background: var(--mark); color: var(--ink); border-bottom: 2px solid var(--mark-line); border-radius: 1px; }
.unseen {
  font-family: var(--mono); font-size: 0.72em; color: var(--quiet); border: 1px solid var(--strong);
  border-radius: 0.2rem; padding: 0 0.2em; white-space: nowrap; unicode-bidi: isolate; direction: ltr;
}
.cut { color: var(--quiet); font-size: 0.8125rem; unicode-bidi: isolate; }
.note { border-left: 0.2rem solid var(--strong); padding-left: 0.75rem; }

.tree, .tree ul { list-style: none; margin: 0; padding: 0; }
.tree { white-space: nowrap; font-size: 0.9375rem; }
.tree ul { margin-left: 0.4rem; }
.tree li { padding: 0.15rem 0; }
.tree ul > li { position: relative; padding-left: 1.3rem; }
.tree ul > li::before, .tree ul > li::after { content: ""; position: absolute; left: 0; top: 0; }
.tree ul > li::before { height: 100%; border-left: 1px solid var(--strong); }
.tree ul > li:last-child::before { height: 0.95rem; }
.tree ul > li::after { top: 0.95rem; width: 0.9rem; border-top: 1px solid var(--strong); }
.relation { color: var(--quiet); font-style: italic; }
.label { font-weight: 600; }

.method {
  display: grid; grid-template-columns: minmax(9rem, max-content) minmax(0, 1fr); gap: 0.5rem 1.5rem; margin: 0 0 1rem;
}
.method dt { color: var(--ink); font-weight: 600; }
.method dd { max-width: 40rem; }
pre {
  margin: 0; padding: 0.9rem 1.1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 0.5rem;
  overflow-x: auto; overflow-wrap: normal; line-height: 1.6;
}

@media (max-width: 42rem) {
  .verdict { padding: 1rem 1.1rem; }
  .sides { grid-template-columns: minmax(0, 1fr); gap: 0.9rem 0; }
  .sides:not(.one):not(.heads) > .trace + .trace { border-top: 1px dashed var(--strong); padding-top: 0.75rem; }
  .sides.heads { gap: 0.1rem; }
  .card dl, .keys { grid-template-columns: 6rem minmax(0, 1fr); gap: 0.3rem 0.75rem; }
  .method { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .method dd { margin-bottom: 0.75rem; }
  .shared td:nth-child(2), .shared th:nth-child(2) {
    padding-left: 0; width: auto; min-width: 6rem; white-space: normal;
  }
}
@media print {
  :root {
    color-scheme: light; --ground: #fff; --panel: #fff; --ink: #000; --quiet: #444; --line: #ccc; --strong: #999;
    --good: #17633f; --good-ground: #fff; --bad: #9c2f1a; --bad-ground: #fff; --mark: #eee; --mark-line: #000;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .trace { max-height: none; overflow: visible; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  .case, .card, tr, .verdict { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
}
"""
