// Draws the charts of webui/runs/curves.py into #charts, and asks for new points while one looks at them.
(() => {
  const COLOURS = ["#4f46e5", "#d97706", "#0d9488", "#db2777", "#0284c7", "#65a30d"]
  const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3], [1, 2], [12, 4]]
  const HEIGHT = 170
  const known = {} // by run: mark, x, y, evals
  let layout = { charts: [], evaluated: "" }, plots = [], drawn = "", busy = false

  const place = () => document.getElementById("charts")
  const asked = box => ({ runs: JSON.parse(box.dataset.runs || "[]"), smooth: box.dataset.smooth || "some" })
  const dark = () => document.body.classList.contains("dark")

  function smoothed(values, strength) {
    const width = strength === "none" ? 1 : Math.max(3, Math.round(values.length / (strength === "much" ? 8 : 25)))
    if (width < 3 || values.length < 8) return values
    const half = width >> 1, out = new Array(values.length)
    for (let i = 0; i < values.length; i++) { // over as many on either side, so that both ends stay where they are
      const reach = Math.min(half, i, values.length - 1 - i)
      let sum = 0, count = 0
      for (let j = i - reach; j <= i + reach; j++) if (values[j] !== null) { sum += values[j]; count++ }
      out[i] = values[i] === null || !count ? null : sum / count
    }
    return out
  }

  function tables(runs, names, smooth) { // one chart: a table a run, and what each column is
    const found = [], columns = []
    runs.forEach((run, at) => {
      const data = known[run]
      if (!data || !data.x.length) return
      const metrics = names[0] === "rewards/" ? Object.keys(data.y).filter(name => name.startsWith("rewards/")) : names
      const rows = [data.x]
      metrics.forEach((name, number) => {
        const values = data.y[name]
        if (!values) return
        const label = name.startsWith("rewards/") ? name.slice(8, -5) : ""
        const colour = COLOURS[(runs.length > 1 ? at : number) % COLOURS.length]
        const dash = runs.length > 1 ? DASHES[number % DASHES.length] : []
        if (values.length > 1) {
          rows.push(values[2], values[1])
          columns.push({ kind: "high", colour }, { kind: "low", colour })
        } else if (smooth !== "none" && values[0].length >= 8) {
          rows.push(values[0])
          columns.push({ kind: "raw", colour })
        }
        rows.push(smoothed(values[0], smooth))
        columns.push({ kind: "line", colour, dash, label: [runs.length > 1 ? run : "", label].filter(Boolean).join(" ") })
      })
      if (rows.length > 1) found.push(rows)
    })
    return found.length ? { data: uPlot.join(found), columns } : null
  }
  function evaluations(runs) {
    const found = [], columns = []
    runs.forEach((run, at) => {
      const data = known[run]
      Object.entries((data && data.evals) || {}).forEach(([mode, points], number) => {
        found.push([points.map(point => point[0]), points.map(point => point[1])])
        const colour = COLOURS[(runs.length > 1 ? at : number) % COLOURS.length]
        columns.push({ kind: "points", colour, dash: runs.length > 1 ? DASHES[number] : [], label: [runs.length > 1 ? run : "", mode].filter(Boolean).join(" ") })
      })
    })
    return found.length ? { data: uPlot.join(found), columns } : null
  }

  function options(columns, width) {
    const quiet = dark() ? "#a3afc4" : "#566074", line = dark() ? "#2a3350" : "#e6eaf2"
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px sans-serif" }
    const series = [{}], bands = []
    for (const column of columns) {
      const at = series.length
      if (column.kind === "high") { series.push({ stroke: "transparent", points: { show: false } }); bands.push({ series: [at, at + 1], fill: column.colour + "30" }) }
      else if (column.kind === "low") series.push({ stroke: "transparent", points: { show: false } })
      else if (column.kind === "raw") series.push({ stroke: column.colour + "45", width: 1, points: { show: false }, spanGaps: true })
      else series.push({ stroke: column.colour, width: 2, dash: column.dash, spanGaps: true, points: { show: column.kind === "points", size: 7 } })
    }
    return {
      width, height: HEIGHT, padding: [8, 24, 0, 0], legend: { show: false }, series, bands,
      cursor: { drag: { x: true, y: false }, sync: { key: "grpo" }, points: { show: false } },
      scales: { x: { time: false }, y: { range: (plot, low, high) => high > low ? uPlot.rangeNum(low, high, 0.1, true) : low ? [Math.min(0, 2 * low), Math.max(0, 2 * low)] : [0, 1] } },
      axes: [{ ...axis, size: 26 }, { ...axis, size: 60, values: (plot, splits) => splits.map(number) }],
    }
  }

  function stroke(colour, dash) { // as its line is drawn: where several runs have several rewards, colour tells one and dashes the other
    let at = 0
    const parts = dash.map((length, place) => `${place % 2 ? "transparent" : colour} ${at}px ${at += length}px`)
    return parts.length ? `repeating-linear-gradient(90deg, ${parts.join(", ")})` : colour
  }

  const wanted = (box, runs, smooth) => [...layout.charts.map(([title, names]) => [title, tables(runs, names, smooth)]),
    [layout.evaluated, evaluations(runs)]].filter(([, found]) => found)

  function number(value) { return value === null || value === undefined ? "–" : Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(+value.toPrecision(4)) }

  function draw(box) {
    const { runs, smooth } = asked(box), titles = JSON.parse(box.dataset.titles || "{}")
    const charts = wanted(box, runs, smooth)
    const shape = JSON.stringify([runs, dark(), charts.map(([title, found]) => [title, found.columns.map(c => c.kind + c.label + c.colour)])])
    if (shape === drawn && plots.length && plots[0].plot.root.isConnected) {
      charts.forEach(([, found], at) => plots[at].show(found))
      return
    }
    for (const each of plots) each.plot.destroy()
    plots = []
    drawn = shape
    box.textContent = ""
    if (!charts.length) { box.textContent = box.dataset.nothing; return }
    for (const [title, found] of charts) {
      const card = document.createElement("figure"), head = document.createElement("figcaption"), canvas = document.createElement("div")
      const name = document.createElement("b"), value = document.createElement("span")
      name.textContent = titles[title] || title
      head.append(name, value)
      card.append(head, canvas)
      box.append(card)
      const lines = found.columns.map((column, at) => [column, at + 1]).filter(([column]) => column.kind === "line" || column.kind === "points")
      if (lines.some(([column]) => column.label)) {
        const legend = document.createElement("div")
        legend.className = "legend"
        for (const [column] of lines) {
          const entry = document.createElement("span"), dot = document.createElement("i")
          dot.style.background = stroke(column.colour, column.dash || [])
          if (lines.some(([each]) => each.dash && each.dash.length)) dot.className = "line"
          entry.append(dot, column.label)
          legend.append(entry)
        }
        card.append(legend)
      }
      let data = found.data
      const tell = plot => {
        const last = data[0].length - 1, at = plot && plot.cursor.idx != null ? plot.cursor.idx : last
        const said = lines.map(([, column]) => { let i = at; while (i > 0 && data[column][i] == null) i--; return number(data[column][i]) }).join(" · ")
        value.textContent = at === last ? said : `${data[0][at]}: ${said}`
        canvas.setAttribute("role", "img")
        canvas.setAttribute("aria-label", `${name.textContent}: ${said}`)
      }
      const made = options(found.columns, canvas.clientWidth || 320)
      made.hooks = { setCursor: [tell] }
      const plot = new uPlot(made, data, canvas)
      tell(plot)
      plots.push({ plot, canvas, show: next => { data = next.data; plot.setData(data); tell(plot) } })
    }
  }

  async function refresh() {
    const box = place()
    if (!box || busy || document.hidden || !box.offsetParent) return
    busy = true
    try {
      const { runs } = asked(box), seen = {}
      for (const run of runs) if (known[run]) seen[run] = known[run].mark
      const found = await grpo.ask(box, "series", { runs, seen })
      if (found) {
        layout = found
        Object.assign(known, found.runs)
        draw(box)
      }
    } catch (error) { console.debug(error) } finally { busy = false }
  }

  let before = ""
  document.addEventListener("grpo:shown", () => {
    const box = place()
    if (!box) { before = ""; return }
    const now = box.dataset.runs + box.dataset.smooth
    if (now !== before || !box.firstChild) { before = now; if (layout.charts.length) draw(box); refresh() }
  })
  setInterval(refresh, 2000)
  window.addEventListener("grpo:colours", () => { const box = place(); if (box && layout.charts.length) draw(box) })
  window.addEventListener("resize", () => { for (const each of plots) if (each.canvas.clientWidth) each.plot.setSize({ width: each.canvas.clientWidth, height: HEIGHT }) })
})()
