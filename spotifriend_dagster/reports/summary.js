// Draws the charts, in the page's colours, and again when the reader's light changes.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function config() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const soft = style.getPropertyValue("--soft").trim();
  const line = style.getPropertyValue("--line").trim();
  const accent = dark.matches ? "#2dd4bf" : "#0f766e";
  return {
    background: "transparent",
    font: style.fontFamily,
    view: { stroke: null },
    axis: { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal" },
    legend: { labelColor: soft, titleColor: soft, titleFontWeight: "normal", gradientLength: 140, gradientThickness: 8 },
    title: { color: ink },
    bar: { color: accent }, line: { color: accent }, area: { color: accent }, point: { color: accent }, rule: { color: accent },
  };
}

async function draw() {
  for (const element of document.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(document.getElementById("spec-" + element.dataset.chart).textContent);
    delete spec.config;
    spec.autosize = { type: "fit-x", contains: "padding" };
    await window.vegaEmbed(element, spec, {
      actions: false, renderer: "svg", config: config(), tooltip: { theme: dark.matches ? "dark" : "light" },
    });
  }
  document.body.dataset.drawn = "true";
}

dark.addEventListener("change", draw);
draw();
