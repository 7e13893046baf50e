/** Look of the report: system fonts, figures of equal width, colours for light and dark that are told apart by everybody. */
import { Html } from './html.ts';

export const styles = new Html(`
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --text: #1d1f24; --quiet: #5d626d; --line: #e2e0db; --wrong: #a8201a;
  --compute: #2b5fc7; --upload: #3f8fb8; --readback: #2f6f93; --fill: #7a4fb5; --serialise: #1f8a8a; --send: #c4661f; --wait: #d9a521; --offline: #8a8f3a; --other: #b9bbc2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1c1f25; --text: #e7e8ea; --quiet: #a2a7b1; --line: #31353d; --wrong: #ff8f86;
    --compute: #6f9bf2; --upload: #7cc4e8; --readback: #58a3c9; --fill: #b392e6; --serialise: #55c2c0; --send: #ee9a58; --wait: #f0c85a; --offline: #c3c76e; --other: #5b606b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 68rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
header { margin-bottom: 2rem; }
header p { margin: 0; color: var(--quiet); }
.kind { font-size: 0.875rem; letter-spacing: 0.02em; }
h1 { margin: 0.1rem 0 0.2rem; font-size: 2.25rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.02em; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 1rem; font-size: 1.25rem; font-weight: 620; letter-spacing: -0.01em; }
h3 { margin: 0; font-size: 1rem; font-weight: 620; overflow-wrap: anywhere; }
p { max-width: 44rem; }
.note { margin: 0.6rem 0; color: var(--quiet); font-size: 0.875rem; }
.tiles, .parties { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); }
.parties { grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.tile, article { padding: 1rem 1.15rem; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
.tile p { margin: 0; }
.tile .name { color: var(--quiet); font-size: 0.875rem; }
.tile .value { margin: 0.15rem 0; font-size: 1.75rem; line-height: 1.2; font-weight: 620; letter-spacing: -0.02em; }
article .note { margin: 0 0 0.5rem; }
article ul { margin: 0; padding-left: 1.1rem; }
article li { margin: 0.25rem 0; font-size: 0.9375rem; }
.scroll { margin: 1rem 0; overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
caption { padding: 0.7rem 0.9rem; text-align: left; color: var(--quiet); font-size: 0.875rem; }
th, td { padding: 0.45rem 0.9rem; text-align: left; vertical-align: baseline; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 500; }
tbody th { font-weight: 560; }
.number { text-align: right; }
.wrong { color: var(--wrong); }
.swatch { display: inline-block; width: 0.8rem; height: 0.8rem; margin-right: 0.45rem; border-radius: 0.2rem; vertical-align: -0.06rem; }
.bar { margin: 0 0 0.9rem; }
.bar figcaption { display: flex; justify-content: space-between; margin-bottom: 0.25rem; font-size: 0.9rem; }
.bar figcaption span:last-child { color: var(--quiet); }
.bar svg { display: block; width: 100%; height: 1.75rem; border-radius: 0.35rem; background: var(--line); }
.bar rect { stroke: var(--page); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.compute { background: var(--compute); fill: var(--compute); }
.upload { background: var(--upload); fill: var(--upload); }
.readback { background: var(--readback); fill: var(--readback); }
.fill { background: var(--fill); fill: var(--fill); }
.serialise { background: var(--serialise); fill: var(--serialise); }
.send { background: var(--send); fill: var(--send); }
.wait { background: var(--wait); fill: var(--wait); }
.offline { background: var(--offline); fill: var(--offline); }
.other { background: var(--other); fill: var(--other); }
dl { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
dl div { display: flex; gap: 1rem; padding: 0.45rem 0.9rem; border-top: 1px solid var(--line); }
dl div:first-child { border-top: 0; }
dt { flex: 0 0 10rem; color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--compute); outline-offset: 2px; }
@media print { body { background: none; } .scroll { overflow: visible; } }
`);
