"use strict";
// What a page does: unpack, colours, filters, sorting, panels, copying. Charts are in charts.js.

const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = (text) => { document.getElementById("said").textContent = text; };

// ---- What travels compressed -----------------------------------------------------------------------------------

const unpacked = new Map();

function unpack(name) {
  if (!unpacked.has(name)) unpacked.set(name, inflate(document.getElementById("packed-" + name)));
  return unpacked.get(name);
}

async function inflate(element) {
  const text = atob(element.textContent.trim());
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const unpackedText = async (name) => new TextDecoder().decode(await unpack(name));
const once = (make) => { let made; return () => (made ??= make()); };
const panels = once(async () => JSON.parse(await unpackedText("panels")));

// ---- Colours -----------------------------------------------------------------------------------------------------

const THEMES = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };
const themeButton = document.getElementById("theme");

function setTheme(name) {
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  themeButton.textContent = THEMES[name];
  themeButton.setAttribute("aria-label", "Colours: " + (name === "auto" ? "as the system" : name));
  try { localStorage.setItem("theme", name); } catch { /* a page in a file may have no storage */ }
  document.dispatchEvent(new Event("colours"));
}

themeButton.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(root.dataset.theme || "auto") + 1) % names.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("colours")));
try {
  const kept = localStorage.getItem("theme");
  if (kept in THEMES && kept !== "auto") setTheme(kept);
} catch { /* as above */ }

// ---- Sorting -----------------------------------------------------------------------------------------------------

const collator = new Intl.Collator("en", { numeric: true });

function sortKey(row, column) {
  const cell = row.cells[column];
  return cell.dataset.v ?? (cell.classList.contains("n") ? null : cell.textContent.trim());
}

// Numbers by size, NaN above all of them; what has no value stays at the end either way.
function compare(a, b, numeric, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (!numeric) return sign * collator.compare(a, b);
  const size = (text) => (text === "nan" ? Infinity : Number(text));
  const [x, y] = [size(a), size(b)];
  return sign * (x < y ? -1 : x > y ? 1 : 0);
}

function sortBy(header) {
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const body = header.closest("table").tBodies[0];
  const column = header.cellIndex, numeric = header.classList.contains("n");
  const rows = [...body.rows].map((row) => [sortKey(row, column), row]);
  rows.sort(([a], [b]) => compare(a, b, numeric, sign));
  body.append(...rows.map(([, row]) => row));
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".sort");
  if (button) sortBy(button.closest("th"));
});

// ---- Filters: #status=differ&text=cnn ------------------------------------------------------------------------------

const states = {};

function filter(name) {
  const { text, status } = states[name];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, total = 0;
  for (const box of all(`[data-filtered="${name}"]`)) {
    const counted = total === 0;
    for (const row of box.tBodies ? box.tBodies[0].rows : box.children) {
      const said = (row.tBodies ? row : row.querySelector(":scope > summary") ?? row).textContent.toLowerCase();
      row.hidden = (status !== "" && row.dataset.status !== status) || !words.every((word) => said.includes(word));
      if (counted) { total += 1; shown += !row.hidden; }
    }
    const group = box.closest(".group");
    if (!group) continue;
    group.hidden = [...box.children].every((row) => row.hidden);
    if (text || status) group.open = true;
  }
  const bar = document.querySelector(`[data-filter="${name}"]`);
  bar.querySelector(".count").textContent = shown === total ? `${total}` : `${shown} of ${total}`;
  const field = bar.querySelector("input");
  if (field.value !== text) field.value = text;
  for (const button of all("[data-choice]", bar)) button.setAttribute("aria-pressed", button.dataset.choice === status);
  document.querySelector(`[data-empty="${name}"]`).hidden = shown > 0 || total === 0;
}

function setFilter(name, change) {
  Object.assign(states[name], change);
  filter(name);
  if (name !== "pairs") return;
  const { text, status } = states.pairs;
  const wanted = new URLSearchParams(Object.entries({ status, text }).filter(([, value]) => value));
  try { history.replaceState(null, "", wanted.size ? "#" + wanted : location.pathname + location.search); } catch { /* about:srcdoc */ }
}

for (const bar of all("[data-filter]")) {
  const name = bar.dataset.filter;
  states[name] = { text: "", status: "" };
  bar.querySelector("input").addEventListener("input", (event) => setFilter(name, { text: event.target.value }));
  for (const button of all("[data-choice]", bar)) {
    button.addEventListener("click", () => setFilter(name, { status: button.dataset.choice }));
  }
  filter(name);
}
for (const button of all("[data-reset]")) {
  button.addEventListener("click", () => setFilter(button.dataset.reset, { text: "", status: "" }));
}

// ---- Many pairs: their rows travel compressed ------------------------------------------------------------------------

if (document.getElementById("packed-rows")) unpackedText("rows").then((html) => {
  document.querySelector("#deltas tbody").innerHTML = html; // escaped when it was rendered
  filter("pairs");
});

// ---- Panels: unpacked when opened; #pair-… opens one ----------------------------------------------------------------

async function fill(panel) {
  const body = panel.querySelector(".body");
  if (body.childElementCount === 0) {
    body.setAttribute("aria-busy", "true");
    const html = (await panels())[panel.id];
    if (body.childElementCount === 0) body.insertAdjacentHTML("beforeend", html); // escaped when it was rendered
    body.removeAttribute("aria-busy");
  }
  document.dispatchEvent(new CustomEvent("filled", { detail: panel }));
}

for (const panel of all(".panel")) {
  panel.addEventListener("toggle", () => {
    if (panel.open) fill(panel);
    else document.dispatchEvent(new CustomEvent("closed", { detail: panel }));
  });
}

function followHash() {
  let hash = "";
  try { hash = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  const panel = document.getElementById(hash);
  if (panel?.classList.contains("panel")) {
    if (panel.hidden) { states.pairs = { text: "", status: "" }; filter("pairs"); }
    panel.closest(".group").open = panel.open = true;
    panel.scrollIntoView();
    panel.querySelector("summary").focus({ preventScroll: true });
  } else if (hash.includes("=")) {
    const wanted = new URLSearchParams(hash);
    Object.assign(states.pairs, { text: wanted.get("text") ?? "", status: wanted.get("status") ?? "" });
    filter("pairs");
    document.getElementById("deltas").scrollIntoView();
  }
}

addEventListener("hashchange", followHash);
document.addEventListener("click", (event) => { // a second click on the link of the present address
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) followHash();
});

// ---- Tables that scroll: each says so, and fades out where it goes on ----------------------------------------------

const sized = new ResizeObserver((entries) => { for (const { target } of entries) tellRest(target.closest(".scroll")); });

function tellRest(box) {
  const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } = box;
  const wide = scrollWidth > clientWidth + 1, tall = scrollHeight > clientHeight + 1;
  const rest = {
    left: wide && scrollLeft > 1, right: wide && scrollLeft < scrollWidth - clientWidth - 1,
    below: tall && scrollTop < scrollHeight - clientHeight - 1,
  };
  for (const [side, more] of Object.entries(rest)) box.toggleAttribute("data-more-" + side, more);
  const said = [wide && "↔ Scroll sideways for more columns.", tall && "↕ Scroll down for more rows."].filter(Boolean).join(" ");
  const hint = box.nextElementSibling;
  hint.textContent = said;
  hint.hidden = !said;
}

function watch(box) {
  box.after(Object.assign(document.createElement("p"), { className: "hint goes-on", hidden: true }));
  box.addEventListener("scroll", () => tellRest(box), { passive: true });
  sized.observe(box);
  sized.observe(box.firstElementChild);
}

for (const box of all(".scroll")) watch(box);
document.addEventListener("filled", ({ detail: panel }) => {
  for (const box of all(".scroll", panel)) if (!box.nextElementSibling?.classList.contains("goes-on")) watch(box);
});

// ---- Copying -----------------------------------------------------------------------------------------------------

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no secure context
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "hidden" });
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
  return true;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const copied = await copy(button.parentElement.querySelector("code").textContent);
  button.textContent = copied ? "Copied" : "Failed";
  button.classList.toggle("done", copied);
  say(copied ? "Copied." : "Could not copy.");
  setTimeout(() => { button.textContent = "Copy"; button.classList.remove("done"); }, 2000);
});
