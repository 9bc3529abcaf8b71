"""How the page looks: as an audit's page does (`manifests.page.style`), and what curves need besides.

The six colours have a contrast of at least 3 to the ground, in light and in dark
(https://www.w3.org/TR/WCAG22/#non-text-contrast), and their lines differ in dashes too.
"""

from manifests.page.style import STYLE as AUDIT

STYLE = (
    AUDIT
    + """
:root {
  --s0: #1a5fb4; --s1: #b4500a; --s2: #17633f; --s3: #8a2f7d; --s4: #86690a; --s5: #50555e;
  --wait: #6b5300; --wait-ground: #faf4e0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --s0: #7db4f5; --s1: #f0a264; --s2: #86d3a9; --s3: #dd9bd2; --s4: #dcc25e; --s5: #b5bac4;
    --wait: #e5cd7e; --wait-ground: #272314;
  }
}
.verdict.wait { background: var(--wait-ground); border-color: var(--wait); }
.verdict.wait .word { color: var(--wait); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem 2.5rem; }
.charts .wide { grid-column: 1 / -1; }
.chart {
  display: grid; grid-template: "head head" auto "legend legend" auto "up plot" 14rem ". across" 1.5rem
    ". axis" auto "note note" auto / 3.75rem minmax(0, 1fr); margin: 0;
}
.chart h3 { grid-area: head; margin: 0 0 0.5rem; }
.chart h3 + p.quiet { grid-area: legend; }
.legend {
  grid-area: legend; list-style: none; display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 0 0 0.6rem;
  padding: 0; font-size: 0.8125rem; color: var(--quiet);
}
.legend svg { vertical-align: middle; }
.chart > svg { overflow: visible; width: 100%; height: 100%; display: block; }
.up { grid-area: up; }
.plot { grid-area: plot; }
.across { grid-area: across; }
.chart text { fill: var(--quiet); font-size: 0.75rem; font-variant-numeric: tabular-nums; }
.axis { grid-area: axis; margin: 0; text-align: center; font-size: 0.75rem; color: var(--quiet); }
.chart .note { grid-area: note; margin: 0.5rem 0 0; font-size: 0.875rem; }
.grid { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.faint { stroke-width: 1; opacity: 0.4; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); stroke-dasharray: 7 4; } .s2 { stroke: var(--s2); }
.s3 { stroke: var(--s3); stroke-dasharray: 2 4; } .s4 { stroke: var(--s4); stroke-dasharray: 10 3 2 3; }
.s5 { stroke: var(--s5); stroke-dasharray: 4 4; }
.dot { fill: var(--ground); stroke-width: 2; stroke-dasharray: none; }
.case .trace { max-height: 16rem; }
.kept { color: var(--good); font-weight: 600; }
.lapsed { color: var(--bad); font-weight: 600; }
.settings { font-size: 0.875rem; }
.chain { margin: 0; padding-left: 1.4rem; }
.chain li { margin-bottom: 0.6rem; }
@media print {
  :root { --s0: #1a5fb4; --s1: #b4500a; --s2: #17633f; --s3: #8a2f7d; --s4: #86690a; --s5: #50555e; --wait: #000; }
  :root { --wait-ground: #fff; }
  .chart { break-inside: avoid; }
  .case .trace { max-height: none; }
}
"""
)
