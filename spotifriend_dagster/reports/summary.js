// Draws the charts, in the page's colours, and again when the reader's light changes.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const views = new Map();

function config(isNarrow) {
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line, mark, low, middle, high, against, other, between] = [
    "ink", "soft", "line", "mark", "low", "middle", "high", "against", "other", "between",
  ].map((name) => style.getPropertyValue("--" + name).trim());
  const words = { labelColor: soft, titleColor: soft, labelFontSize: isNarrow ? 10 : 11, titleFontSize: 11, titleFontWeight: "normal" };
  return {
    background: "transparent",
    font: style.fontFamily,
    view: { stroke: null },
    axis: { ...words, gridColor: line, domainColor: line, tickColor: line },
    axisY: { labelLimit: isNarrow ? 115 : 190 },
    legend: { ...words, titleLimit: 400, gradientLength: 140, gradientThickness: 8 },
    range: { heatmap: [low, middle, high], ramp: [low, middle, high], diverging: [other, between, against], category: [mark, against, other] },
    bar: { color: mark }, line: { color: mark }, area: { color: mark }, point: { color: mark }, rule: { color: ink },
  };
}

async function draw() {
  for (const element of document.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(document.getElementById("spec-" + element.dataset.chart).textContent);
    delete spec.config;
    spec.autosize = { type: "fit-x", contains: "padding" };
    views.get(element)?.finalize();
    const tooltip = { theme: dark.matches ? "dark" : "light" };
    const look = { actions: false, renderer: "svg", config: config(element.clientWidth < 420), tooltip };
    // `ast` has expressions interpreted: the page's policy allows no code that is made from text
    views.set(element, await window.vegaEmbed(element, spec, { ...look, ast: true }));
  }
  document.body.dataset.drawn = "true";
}

dark.addEventListener("change", draw);
draw();
