"""What a page does for comfort: theme, crosshair, sorting and filtering. Everything can be read without it.

In: nothing. Out: `SCRIPT`. It changes the page only through the DOM (text, never markup) and asks nobody for anything.
"""

from __future__ import annotations

from typing import Final

_THEME: Final = """
const root = document.documentElement;
const THEME = "qmtl-report-theme";
const recall = () => { try { return sessionStorage.getItem(THEME); } catch { return null; } };
const remember = (theme) => { try { sessionStorage.setItem(THEME, theme); } catch { /* private pages have no storage */ } };

function setTheme(theme) {
  if (theme === "light" || theme === "dark") root.dataset.theme = theme; else delete root.dataset.theme;
  for (const button of document.querySelectorAll("[data-set-theme]"))
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === (root.dataset.theme || "auto")));
}

function themeSwitch() {
  const group = document.querySelector(".theme");
  group.hidden = false;
  for (const button of group.querySelectorAll("button"))
    button.addEventListener("click", () => { setTheme(button.dataset.setTheme); remember(button.dataset.setTheme); });
  setTheme(recall());
}
"""

_CROSSHAIR: Final = """
const MINUS = "\\u2212", DASH = "\\u2013";
const digits = (value, count) => Math.abs(value).toLocaleString("en-US",
  { minimumFractionDigits: count, maximumFractionDigits: count });
const written = (value, count, plus) => {
  const text = digits(value, count);
  if (!/[1-9]/.test(text)) return text;
  return (value < 0 ? MINUS : plus) + text;
};
const UNITS = {
  money: (v) => written(v, Math.abs(v) >= 1e4 ? 0 : 2, ""),
  index: (v) => written(v, 2, ""),
  change: (v) => written(v * 100, 2, "+") + "%",
  percent: (v) => written(v * 100, 2, "") + "%",
  share: (v) => written(v * 100, 1, "") + "%",
  count: (v) => written(v, 0, ""),
};
const told = (value, unit) => (value === null ? DASH : UNITS[unit](value));

function element(name, parent, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function crosshair() {
  const source = document.getElementById("readouts");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const last = data.x.length - 1;
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const layers = [...document.querySelectorAll(".plot[data-chart]")].map((plot) => layer(plot));
  let index = last;

  function layer(plot) {
    const cross = element("div", plot, "cross");
    const hair = element("div", cross, "hair");
    hair.hidden = true;
    const title = plot.querySelector("title").textContent;
    cross.tabIndex = 0;
    for (const [key, value] of [["role", "slider"], ["aria-label", title + ", crosshair"], ["aria-valuemin", 0],
      ["aria-valuemax", last], ["aria-valuenow", last], ["aria-valuetext", data.moments[last]]])
      cross.setAttribute(key, value);
    const found = { cross, hair, series: data.charts[plot.dataset.chart] };
    const follow = (event) => {
      const box = cross.getBoundingClientRect();
      show(nearest((event.clientX - box.left) / box.width * 1000), found);
    };
    cross.addEventListener("pointermove", follow);
    cross.addEventListener("pointerdown", follow);
    cross.addEventListener("pointerleave", hide);
    cross.addEventListener("blur", hide);
    cross.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? Math.max(1, Math.round(last / 20)) : 1;
      const goal = { ArrowLeft: index - step, ArrowRight: index + step, Home: 0, End: last }[event.key];
      if (event.key === "Escape") hide();
      if (goal === undefined) return;
      event.preventDefault();
      show(Math.max(0, Math.min(last, goal)), found);
    });
    return found;
  }

  function nearest(x) {
    let low = 0, high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.x[middle] < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - data.x[low - 1] < data.x[low] - x ? low - 1 : low;
  }

  function show(at, on) {
    index = at;
    for (const { hair } of layers) {
      hair.hidden = false;
      hair.style.left = data.x[at] / 10 + "%";
    }
    tip.replaceChildren();
    element("p", tip).textContent = data.moments[at];
    const list = element("dl", tip);
    for (const [name, unit, values] of on.series) {
      element("dt", list).textContent = name;
      element("dd", list).textContent = told(values[at], unit);
    }
    on.cross.append(tip);
    tip.hidden = false;
    const width = on.cross.clientWidth, x = data.x[at] / 1000 * width;
    const left = x > width / 2 ? x - tip.offsetWidth - 12 : x + 12;
    tip.style.left = Math.max(0, Math.min(width - tip.offsetWidth, left)) + "px";
    on.cross.setAttribute("aria-valuenow", at);
    on.cross.setAttribute("aria-valuetext", data.moments[at] + ": " +
      on.series.map(([name, unit, values]) => name + " " + told(values[at], unit)).join(", "));
  }

  function hide() {
    tip.hidden = true;
    for (const { hair } of layers) hair.hidden = true;
  }
}
"""

_TABLES: Final = """
function cellValue(cell) {
  if (cell.querySelector("abbr.none")) return null;
  const data = cell.querySelector("data");
  return data ? Number(data.value) : cell.textContent;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
}

function sortTable(table, column) {
  const head = table.tHead.rows[0].cells[column], before = head.getAttribute("aria-sort");
  const down = before ? before === "ascending" : head.classList.contains("n");
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [cellValue(row.cells[column]), row]);
  // what has no value stays at the end in either direction
  rows.sort(([a], [b]) => (a === null || b === null || !down ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function sorting() {
  for (const table of document.querySelectorAll("table.sortable"))
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortTable(table, column));
    });
}

function filtering() {
  const box = document.getElementById("trades-filter"), table = document.getElementById("trades-table");
  if (!box || !table) return;
  const count = document.getElementById("trades-count");
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const apply = () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let kept = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      kept += !row.hidden;
    }
    count.textContent = words.length ? kept + " of " + rows.length : "";
  };
  box.closest("[hidden]").hidden = false;
  box.addEventListener("input", apply);
  apply();
}

function printing() {
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
}
"""

SCRIPT: Final = f"""(() => {{
"use strict";
{_THEME}{_CROSSHAIR}{_TABLES}
setTheme(recall());
document.addEventListener("DOMContentLoaded", () => {{
  themeSwitch(); crosshair(); sorting(); filtering(); printing();
}});
}})();
"""
