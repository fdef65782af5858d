"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();
  let library = null;

  const PALETTES = {
    light: ["#2b6cb0", "#d97706", "#2f855a", "#c53030", "#6b46c1", "#0e7490", "#b83280", "#94a3b8"],
    dark: ["#63b3ed", "#f6ad55", "#68d391", "#fc8181", "#b794f4", "#67e8f9", "#f687b3", "#718096"],
  };
  const SCALES = {
    light: ["#d3e3f3", "#9fc5e8", "#6aa3d5", "#3d81bf", "#1f5f9f", "#0b3d74"],
    dark: ["#2b3f55", "#355a80", "#3f78ad", "#5597d3", "#86b9ea", "#cfe6ff"],
  };

  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  const variable = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function withAlpha(hex, alpha) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  }

  /* Colours of figures are names: "palette:2", "palette:2:0.2" with an opacity, "scale:0.4", "grid", "background". */
  function colour(name) {
    const mode = dark() ? "dark" : "light";
    if (name === "grid") return variable("--line");
    if (name === "background") return variable("--panel");
    const [kind, value, alpha] = name.split(":");
    if (kind === "palette") {
      const found = PALETTES[mode][Number(value) % PALETTES[mode].length];
      return alpha ? withAlpha(found, alpha) : found;
    }
    if (kind === "scale") return SCALES[mode][Math.round(Number(value) * (SCALES[mode].length - 1))];
    return name;
  }

  function coloured(value, key) {
    if (typeof value === "string") return /color$/i.test(key) ? colour(value) : value;
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return typeof value[0] === "object" && value[0] ? value.map((each) => coloured(each, "")) : value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each, name)]));
  }

  function themed(figure) {
    const soft = variable("--soft"), line = variable("--line");
    const data = figure.data.map((trace) => coloured(trace, ""));
    const layout = coloured(figure.layout, "");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, exponentformat: "e" };
    const standoff = 8; // pixels from the ticks of an axis to its title
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))])) {
      layout[name] = { ...axis, ...layout[name] };
      if (layout[name].title) layout[name].title = { ...layout[name].title, standoff };
    }
    delete layout.width;
    for (const trace of data) {
      if (trace.type === "bar" && trace.orientation === "h" && !trace.base) {
        trace.marker = { color: colour("palette:0") };
        layout.margin = { r: 48 };
      }
      if (trace.type === "contour") trace.colorscale = SCALES[dark() ? "dark" : "light"].map((c, i, all) => [i / (all.length - 1), c]);
      if (trace.marker && Array.isArray(trace.marker.color) && typeof trace.marker.color[0] === "number") {
        trace.marker.colorscale = SCALES[dark() ? "dark" : "light"].map((c, i, all) => [i / (all.length - 1), c]);
        trace.marker.line = { width: 1, color: colour("palette:0") };
        trace.marker.size = 7;
        trace.marker.showscale = false;
      }
      if (trace.marker && trace.marker.color === "black") trace.marker = { size: 4, color: variable("--text"), opacity: 0.5 };
    }
    return {
      data,
      layout: {
        ...layout,
        margin: { l: 56, r: 16, t: 12, b: 48, ...layout.margin },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: soft, size: 12, family: "system-ui, sans-serif" },
        hoverlabel: { align: "left", namelength: -1 },
        legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
        dragmode: false,
      },
    };
  }

  /* plotly.js is megabytes of script: it is unpacked and run for the first plot that comes into view. */
  function plotly() {
    library ??= (async () => {
      const packed = atob(document.getElementById("plotly").textContent);
      const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      const script = document.createElement("script");
      script.textContent = await new Response(stream).text();
      document.head.append(script);
      return window.Plotly;
    })();
    return library;
  }

  async function draw(target) {
    const figure = JSON.parse(document.querySelector(`script[data-for="${target.id}"]`).textContent);
    const Plotly = await plotly();
    const { data, layout } = themed(figure);
    const settings = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false, showTips: false };
    await Plotly.react(target, data, layout, settings);
    drawn.add(target);
    target.dataset.drawn = "true";
  }

  const failed = (error) => {
    console.error(error);
    document.getElementById("no-plots").hidden = false;
  };

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        draw(entry.target).catch(failed);
      }
    },
    { rootMargin: "300px" },
  );

  function show() {
    button.setAttribute("aria-pressed", String(dark()));
    for (const target of drawn) draw(target).catch(failed);
  }

  function remembered(value) {
    try {
      if (value !== undefined) localStorage.setItem("gluetune-theme", value);
      return localStorage.getItem("gluetune-theme");
    } catch {
      return null; // a file that the browser gives no storage
    }
  }

  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remembered(root.dataset.theme);
    show();
  });
  systemDark.addEventListener("change", show);
  const theme = remembered();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  document.getElementById("no-plots").hidden = true;
  show();
  for (const target of document.querySelectorAll(".plot")) seen.observe(target);
})();
