// The charts: the losses of both sides above, how far they are apart below, on one axis of steps. Every text that
// goes into them is fixed here; names stand beside them, in HTML.

const EARLY = 64; // so many first steps are drawn exactly

const library = once(async () => {
  const script = document.createElement("script");
  script.textContent = await unpackedText("library"); // the policy of the page knows its digest
  document.head.append(script);
  return window.Plotly;
});

const curves = once(async () => {
  const { charts, lengths } = JSON.parse(await unpackedText("charts"));
  const bytes = await unpack("curves");
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const gaps = new Uint32Array(bytes, 0, total), values = new Float32Array(bytes, 4 * total, total);
  const starts = [];
  lengths.reduce((start, length) => (starts.push(start), start + length), 0);
  const curve = (number) => {
    const from = starts[number], steps = new Array(lengths[number]);
    for (let i = 0, step = 0; i < steps.length; i++) steps[i] = step += gaps[from + i];
    return { x: steps, y: Array.from(values.subarray(from, from + steps.length)) };
  };
  return { charts, curve };
});

const drawn = new Map(); // figure -> Chart
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
}, { rootMargin: "200px" });

document.addEventListener("filled", ({ detail: panel }) => {
  for (const figure of all(".chart", panel)) seen.observe(figure);
});
document.addEventListener("closed", ({ detail: panel }) => {
  for (const figure of all(".chart", panel)) {
    seen.unobserve(figure);
    drawn.get(figure)?.dispose();
    drawn.delete(figure);
  }
});
document.addEventListener("colours", () => { for (const chart of drawn.values()) chart?.recolour(); });

async function draw(figure) {
  drawn.set(figure, null);
  const [Plotly, { charts, curve }] = await Promise.all([library(), curves()]);
  if (!drawn.has(figure)) return; // closed meanwhile
  drawn.set(figure, new Chart(Plotly, figure, charts[figure.dataset.chart], curve));
}

class Chart {
  constructor(Plotly, figure, about, curve) {
    Object.assign(this, { Plotly, figure, about });
    this.plot = figure.querySelector(".plot");
    this.form = figure.querySelector(".range");
    this.a = curve(about.a);
    this.b = curve(about.b);
    const apart = [about.delta, about.lockstep].map((number) => (number === undefined ? null : curve(number)));
    this.floor = floorOf(apart.filter(Boolean));
    [this.delta, this.lockstep] = apart.map((found) => found && onLog(found, this.floor));
    this.tolerance = about.tolerance === undefined ? null : curve(about.tolerance);
    this.envelope = about.envelope === undefined ? null : curve(about.envelope);
    this.broken = [...new Set([...breaks(this.a), ...breaks(this.b)])];
    this.log = about.steps > EARLY;
    this.show(1, about.steps);
    this.listen();
  }

  show(from, to) {
    const last = this.about.steps;
    from = Math.min(Math.max(1, Math.round(from)), last);
    to = Math.min(Math.max(from, Math.round(to)), last);
    if (from === to && last > 1) { from = Math.max(1, from - 1); to = Math.min(last, to + 1); }
    [this.from, this.to] = [from, to];
    this.form.elements.from.value = from;
    this.form.elements.to.value = to;
    this.form.elements.from.max = this.form.elements.to.max = last;
    this.form.querySelector("[data-axis]").setAttribute("aria-pressed", this.log);
    Object.assign(this.figure.dataset, { from, to });
    return this.Plotly.react(this.plot, this.traces(), this.layout(), {
      displayModeBar: false, responsive: true, doubleClick: false, showTips: false,
    });
  }

  traces() {
    const colour = colours();
    const [, top] = spread([this.a, this.b], this.from, this.to);
    const line = (curve, name, axis, style) => ({
      type: "scatter", mode: curve.x.length > 1 ? "lines" : "markers", name, x: curve.x, y: curve.y, yaxis: axis, line: { width: 1.6, ...style },
      marker: { color: style.color }, hovertemplate: "%{y:.6~g}",
    });
    const { delta, lockstep, tolerance, envelope } = this;
    const apart = (curve, name, shade) => ({ ...line(curve, name, "y2", { color: shade, width: 1.2 }), customdata: curve.said, hovertemplate: "%{customdata}" });
    return [
      line(this.a, "A", "y", { color: colour.a }),
      line(this.b, "B", "y", { color: colour.b, dash: "5px 3px" }),
      apart(delta, lockstep ? "|A − B|, free" : "|A − B|", colour.delta),
      ...(lockstep ? [apart(lockstep, "|A − B|, in lockstep", colour.lockstep)] : []),
      ...(tolerance ? [line(tolerance, "tolerance", "y2", { color: colour.tolerance, dash: "dot" })] : []),
      ...(envelope ? [{ ...line(envelope, "envelope", "y2", { color: colour.envelope, width: 2 }), fill: "tozeroy", fillcolor: colour.within }] : []),
      ...(this.broken.length ? [{
        type: "scatter", mode: "markers", name: "not finite", x: this.broken, y: this.broken.map(() => top), cliponaxis: false,
        marker: { symbol: "x", size: 10, color: colour.bad }, hovertemplate: "not finite from here",
      }] : []),
    ];
  }

  layout() {
    const colour = colours();
    const { from, to, log, about } = this;
    const pad = log ? 0 : Math.max(0.5, (to - from) * 0.01);
    const axis = { gridcolor: colour.line, zeroline: false, linecolor: colour.line, tickcolor: colour.line, automargin: true, fixedrange: true };
    const vertical = { xref: "x", yref: "paper", y0: 0, y1: 1, line: { color: colour.horizon, dash: "dash", width: 1.5 } };
    const horizon = about.horizon ?? null;
    const shapes = horizon !== null && horizon < about.steps ? [{ type: "line", ...vertical, x0: horizon + 0.5, x1: horizon + 0.5 }] : [];
    const narrow = this.plot.clientWidth < 520;
    return {
      margin: { l: 56, r: 12, t: 10, b: 42 }, showlegend: false, hovermode: "x unified", hoversubplots: "axis", dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour.ink },
      hoverlabel: { bgcolor: colour.card, bordercolor: colour.line, font: { color: colour.ink } },
      xaxis: {
        ...axis, fixedrange: false, anchor: "y2", title: { text: "step" }, type: log ? "log" : "linear", nticks: narrow ? 5 : 10,
        range: log ? [Math.log10(from) - 0.01, Math.log10(Math.max(to, from + 1)) + 0.01] : [from - pad, to + pad],
        ...(log ? ticks(from, to) : {}), hoverformat: ",d", unifiedhovertitle: { text: "step %{x}" },
      },
      yaxis: { ...axis, domain: [0.56, 1], title: { text: "loss (nats)", standoff: 6 }, range: spread([this.a, this.b], from, to) },
      yaxis2: {
        ...axis, domain: [0, 0.5], title: { text: "|A − B| (nats)", standoff: 6 }, type: "log", exponentformat: "e",
        range: spread([this.delta, this.lockstep, this.tolerance, this.envelope].filter(Boolean), from, to, Math.log10), nticks: 6,
      },
      shapes,
      annotations: this.floor === null ? [] : [{
        xref: "paper", x: 1, xanchor: "right", yref: "y2", y: Math.log10(this.floor), yanchor: "bottom",
        text: "0 is drawn here", showarrow: false, font: { color: colour.soft, size: 11 },
      }],
    };
  }

  listen() {
    this.plot.on("plotly_relayout", (change) => {
      const [low, high] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (low === undefined || high === undefined) return;
      const step = (value) => (this.log ? 10 ** value : value);
      this.show(Math.ceil(step(low) - 1e-6), Math.floor(step(high) + 1e-6));
    });
    this.plot.on("plotly_doubleclick", () => this.show(1, this.about.steps));
    this.controls = new AbortController();
    const { signal } = this.controls;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { from, to } = this.form.elements;
      this.show(from.valueAsNumber || 1, to.valueAsNumber || this.about.steps);
    }, { signal });
    this.form.addEventListener("click", (event) => {
      const range = event.target.closest("[data-range]");
      if (range) this.show(1, range.dataset.range === "all" ? this.about.steps : Math.max(EARLY, 2 * (this.about.horizon ?? 0)));
      if (event.target.closest("[data-axis]")) { this.log = !this.log; this.show(this.from, this.to); }
    }, { signal });
    this.plot.addEventListener("keydown", (event) => this.press(event), { signal });
  }

  press(event) {
    const width = this.to - this.from, some = Math.max(1, Math.round(width / 5));
    const last = this.about.steps;
    const moves = {
      ArrowLeft: () => { const by = Math.min(some, this.from - 1); this.show(this.from - by, this.to - by); },
      ArrowRight: () => { const by = Math.min(some, last - this.to); this.show(this.from + by, this.to + by); },
      "+": () => this.show(this.from + Math.ceil(width / 5), this.to - Math.ceil(width / 5)),
      "=": () => moves["+"](),
      "-": () => this.show(this.from - Math.ceil(width / 3 + 1), this.to + Math.ceil(width / 3 + 1)),
      0: () => this.show(1, last),
      Home: () => this.show(1, 1 + width),
      End: () => this.show(last - width, last),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]();
    say(`Steps ${this.from} to ${this.to}.`);
  }

  recolour() { this.show(this.from, this.to); }

  dispose() {
    this.controls.abort();
    this.Plotly.purge(this.plot);
  }
}

// A logarithmic axis has no zero: it is drawn a decade below the smallest difference there is. Null: there is no zero.
function floorOf(curves) {
  let smallest = Infinity, zeros = false;
  for (const { y } of curves) {
    for (const value of y) {
      zeros ||= value === 0;
      if (value > 0 && value < smallest) smallest = value;
    }
  }
  return zeros ? 10 ** (Math.floor(Math.log10(smallest === Infinity ? 1e-7 : smallest)) - 1) : null;
}

function onLog({ x, y }, floor) {
  return {
    x, y: y.map((value) => (value === 0 ? floor : value)),
    said: y.map((value) => (Number.isFinite(value) ? (value === 0 ? "0" : exponential(value)) : "not finite")),
  };
}

// 5.00e-07, as the tables have it.
const exponential = (value) => value.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");

// Marks of a logarithmic axis of steps: powers of ten, and two, three and five times those where there is room.
function ticks(from, to) {
  const marks = [];
  for (let power = 1; power <= to; power *= 10) {
    for (const factor of to > 300 * from ? [1] : [1, 2, 3, 5]) marks.push(factor * power);
  }
  const inside = marks.filter((mark) => mark >= from && mark <= to);
  const tickvals = inside.length > 1 ? inside : [from, to];
  return { tickmode: "array", tickvals, ticktext: tickvals.map((mark) => mark.toLocaleString("en")) };
}

// The steps at which a curve stops being finite.
function breaks({ x, y }) {
  return x.filter((_, i) => !Number.isFinite(y[i]) && (i === 0 || Number.isFinite(y[i - 1])));
}

// The range that shows everything between two steps, with some room.
function spread(of, from, to, scale = (value) => value) {
  let low = Infinity, high = -Infinity;
  for (const { x, y } of of) {
    for (let i = 0; i < x.length; i++) {
      if (x[i] < from || x[i] > to) continue;
      const value = scale(y[i]);
      if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
  }
  if (low > high) return [0, 1];
  const room = (high - low) * 0.07 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

// The colours of the page as they are now: a variable by itself does not tell which of its two is meant.
function colours() {
  const probe = document.body.appendChild(document.createElement("i"));
  const named = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
  const names = {
    a: "accent", b: "b", delta: "ink", lockstep: "lockstep", tolerance: "tolerance", envelope: "good", soft: "soft", bad: "bad",
    within: "envelope-soft", horizon: "grey", line: "line", ink: "ink", card: "card",
  };
  const found = Object.fromEntries(Object.entries(names).map(([name, variable]) => [name, named(variable)]));
  probe.remove();
  return found;
}

// ---- Begin -------------------------------------------------------------------------------------------------------

followHash();
for (const panel of all(".panel[open]")) fill(panel);
root.dataset.ready = Math.round(performance.now()); // milliseconds from the address to a page that answers
