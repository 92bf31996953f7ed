"""How pages look: on a light or a dark screen, and on paper."""

from __future__ import annotations

__all__ = ["SORT_SCRIPT", "STYLE"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d8dee4;
  --band: #f3f5f7; --link: #0b57d0; --warn: #fff4d6; --warn-line: #d29922; --bad: #ffe4e1;
  --bad-line: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14171b; --soft: #a2abb5;
  --line: #383f47; --band: #1e2329; --link: #8ab4f8; --warn: #3a2f12; --warn-line: #d29922;
  --bad: #3d1b1b; --bad-line: #f47067; } }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem 4rem; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.3rem; margin-top: 3rem; padding-bottom: .2rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 2.6rem 0 .5rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h2 + h3 { border-top: none; margin-top: .5rem; }
h4 { font-size: .95rem; margin: 1.2rem 0 .3rem; color: var(--soft); }
a { color: var(--link); }
p, li { max-width: 52rem; overflow-wrap: anywhere; }
.note, figcaption { color: var(--soft); }
.note { font-size: .93rem; }
.warning, .fault { padding: .55rem .9rem; border-left: 4px solid; border-radius: 3px; }
.warning { background: var(--warn); border-color: var(--warn-line); }
.fault { background: var(--bad); border-color: var(--bad-line); }
figure { margin: .8rem 0; break-inside: avoid; }
figcaption { font-size: .87rem; margin-top: .25rem; }
img { display: block; max-width: 100%; height: auto; box-sizing: border-box; background: #fff;
  border: 1px solid var(--line); border-radius: 3px; }
.gallery { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.gallery figure { margin: .4rem 0; flex: 1 1 15rem; }
.gallery img { width: 100%; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .86rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
td, th { padding: .3rem .55rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { background: var(--band); font-weight: 600; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
.sortable th { cursor: pointer; user-select: none; }
.sortable th[aria-sort=ascending]::after { content: " \\2191"; }
.sortable th[aria-sort=descending]::after { content: " \\2193"; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr));
  gap: .25rem 1.5rem; margin: .6rem 0; }
dl div { display: flex; justify-content: space-between; gap: .8rem; font-size: .9rem;
  border-bottom: 1px solid var(--line); padding: .15rem 0; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
pre { font-size: .82rem; background: var(--band); padding: .6rem .9rem; border-radius: 3px;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
nav { background: var(--band); padding: .6rem 1rem; border-radius: 4px; }
nav ol { list-style: none; margin: 0; padding: 0; columns: 18rem; }
nav .level3 { padding-left: 1.2rem; font-size: .93rem; }
@page { margin: 14mm; }
@media print {
  html { font-size: 9.5pt; }
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444;
    --line: #bbb; --band: #f1f1f1; --link: #000; --warn: #fff; --bad: #fff; }
  body { max-width: none; margin: 0; padding: 0; font-size: 1rem; }
  h2, h3, h4 { break-after: avoid; } tr { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; } .wide table { font-size: 7.5pt; } td, th { padding: .15rem .3rem; }
}
"""

SORT_SCRIPT = """
document.querySelectorAll("table.sortable").forEach(function (table) {
  table.querySelectorAll("th").forEach(function (head, column) {
    function sort() {
      var down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach(function (h) { h.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      var body = table.tBodies[0], rows = Array.from(body.rows);
      function key(row) {
        var text = row.cells[column].textContent.trim();
        var number = parseFloat(text.replace(/,/g, "").replace("\u2212", "-"));
        return isNaN(number) ? text.toLowerCase() : number;
      }
      rows.sort(function (a, b) {
        var x = key(a), y = key(b), empty = [x === "", y === ""];
        if (empty[0] || empty[1]) { return empty[0] - empty[1]; }
        if (typeof x !== typeof y) { x = String(x); y = String(y); }
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      });
      rows.forEach(function (row) { body.appendChild(row); });
    }
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") { sort(); } });
  });
});
"""
