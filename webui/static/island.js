// The page's half of webui/island.py: puts views in place, and passes clicks and fields on. All that the page knows is
// `grpo.state`, kept over a refresh in sessionStorage and, for what one may want to send on, in the address.
(() => {
  const IN_ADDRESS = ["tab", "run"]
  const state = (() => { try { return JSON.parse(sessionStorage.getItem("grpoctl") || "{}") } catch { return {} } })()
  const address = new URLSearchParams(location.search)
  for (const name of IN_ADDRESS) if (address.has(name)) state[name] = address.get(name)
  state.lang = window.grpoLang

  const islands = []
  const grpo = window.grpo = { state, islands }

  grpo.keep = () => {
    try { sessionStorage.setItem("grpoctl", JSON.stringify(state)) } catch { /* full, or a private window */ }
    const url = new URL(location)
    for (const name of IN_ADDRESS) state[name] ? url.searchParams.set(name, state[name]) : url.searchParams.delete(name)
    history.replaceState(null, "", url)
  }
  grpo.set = changes => {
    Object.assign(state, changes)
    grpo.keep()
    if ("tab" in changes) openTab(changes.tab)
    grpo.refresh()
  }
  grpo.refresh = () => { for (const each of islands) each.render() }

  // --- the recipe's text, which Gradio's editor shows
  let writeToEditor = null, inStep = false
  grpo.editor = trigger => {
    writeToEditor = trigger
    // Until the editor has said the text back once, what it says is its own empty beginning.
    const beginning = setInterval(() => {
      if (inStep) clearInterval(beginning)
      else if (state.text) trigger("select")
    }, 150)
    // The editor's field comes when it likes, and anew at times; a reader of screens is told how to leave it.
    setInterval(() => document.querySelector("#yaml .cm-content")?.setAttribute("aria-describedby", "leaving-editor"), 500)
  }
  grpo.first = "recipe:quickstart" // what a page that was never used opens
  const LONGEST = 300000 // characters; the server takes no more than a few megabytes at once
  grpo.typed = text => {
    if (text && text.length > LONGEST) {
      say(state.lang === "zh" ? "这对配方来说太长了，没有采用。" : "That is too long for a recipe, and was not taken.", true)
      if (writeToEditor) writeToEditor("select")
    } else if (text === state.text) {
      inStep = true
    } else if ((inStep || state.text === "") && text !== null) grpo.set({ text }) // an empty one has nothing to say back
  }
  grpo.write = text => { grpo.set({ text }); if (writeToEditor) writeToEditor("select") }

  function openTab(name) {
    const button = document.getElementById(`tab-${name}-button`)
    if (button && button.getAttribute("aria-selected") !== "true") button.click()
  }
  grpo.openTab = openTab

  // --- words to the user
  function say(text, wrong) {
    const region = document.getElementById("said")
    if (!region || !text) return
    const line = document.createElement("div")
    line.className = wrong ? "toast bad" : "toast"
    line.textContent = text
    line.addEventListener("click", () => line.remove())
    region.append(line)
    setTimeout(() => line.remove(), wrong ? 20000 : 5000)
  }
  grpo.say = say
  let misses = 0
  function answered(well) {
    misses = well ? 0 : misses + 1
    const bar = document.getElementById("away")
    if (bar) bar.hidden = misses < 2
  }

  // --- islands
  class Island {
    constructor(element, server, trigger, name, everyS) {
      Object.assign(this, { element, server, trigger, name, everyS, seen: "", busy: false, again: false })
      this.root = element.querySelector(".island")
      for (const kind of ["click", "change", "input", "keydown", "toggle"]) {
        this.root.addEventListener(kind, event => this.hear(kind, event), kind === "toggle")
      }
      islands.push(this)
      if (everyS) this.timer = setInterval(() => this.tick(), everyS * 1000)
      if (name === "recipe-bar" && state.text === undefined) this.act("open", { value: grpo.first, stay: true })
      this.render()
    }
    shown() { return this.root.isConnected && this.element.offsetParent !== null && !document.hidden }
    tick() {
      if (!this.root.isConnected) { clearInterval(this.timer); islands.splice(islands.indexOf(this), 1); return }
      if (!this.busy) this.render()
    }
    async render() {
      if (!this.shown()) return
      if (this.busy) { this.again = true; return }
      this.busy = true
      try {
        const found = await this.server.view([this.name, state, this.seen])
        // Gradio's client answers for a server that is gone, with something else
        if (!found || !found.seen) throw new Error("no answer")
        if (found.html !== null) { this.seen = found.seen; this.put(found.html) }
        answered(true)
      } catch (error) { answered(false); console.debug(error) } finally {
        this.busy = false
        if (this.again) { this.again = false; this.render() }
        else this.hurry()
      }
    }
    hurry() { // a part that says so is asked for again before its island's turn, such as an answer that is coming
      clearTimeout(this.soon)
      const part = this.root.querySelector("[data-soon]")
      if (part) this.soon = setTimeout(() => this.render(), Math.max(100, +part.dataset.soon || 0))
    }
    put(html) {
      document.documentElement.classList.add("grpo-ready")
      Idiomorph.morph(this.root, html, {
        morphStyle: "innerHTML", ignoreActiveValue: /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || ""),
        callbacks: {
          // What a script drew into stays, and so does a part that the user has opened or closed.
          beforeNodeMorphed: (old, now) => {
            if (!(old.dataset && "keep" in old.dataset && now.dataset && old.dataset.keep === now.dataset.keep)) return true
            for (const each of now.attributes) if (old.getAttribute(each.name) !== each.value) old.setAttribute(each.name, each.value)
            return false
          },
          beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
        },
      })
      for (const field of this.root.querySelectorAll("[data-value]")) {
        if (field !== document.activeElement && field.value !== field.dataset.value) field.value = field.dataset.value
      }
      for (const box of this.root.querySelectorAll("input[data-state][type=checkbox],input[data-state][type=radio]")) {
        if (box !== document.activeElement) box.checked = box.hasAttribute("checked")
      }
      for (const end of this.root.querySelectorAll("[data-tail]")) {
        if (!end.dataset.held) end.scrollTop = end.scrollHeight
        end.onscroll = () => { end.dataset.held = end.scrollTop + end.clientHeight < end.scrollHeight - 20 ? "1" : "" }
      }
      this.root.dispatchEvent(new CustomEvent("grpo:shown", { bubbles: true }))
    }
    hear(kind, event) {
      const at = selector => event.target.closest && event.target.closest(selector)
      if (kind === "keydown") {
        const row = at("[tabindex][data-set],[tabindex][data-act]")
        if (row && row === event.target && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); row.click() }
        return
      }
      if (kind === "toggle") {
        const part = event.target
        if (part.dataset && part.dataset.part) grpo.set({ [part.dataset.part]: part.open })
        return
      }
      if (kind === "click") {
        const what = at("[data-act],[data-set],[data-copy],[data-line]")
        if (!what || what.matches("input,select,textarea") || what.disabled) return
        if (what.dataset.copy !== undefined) return copy(what)
        if (what.dataset.line) return goToLine(+what.dataset.line)
        if (what.dataset.confirm && !confirm(what.dataset.confirm)) return
        if (what.dataset.set) grpo.set(JSON.parse(what.dataset.set))
        if (what.dataset.act) this.act(what.dataset.act, JSON.parse(what.dataset.args || "{}"), what)
        return
      }
      const field = at("[data-state],[data-edit]")
      if (!field) return
      if (field.dataset.edit && kind === "change") {
        return this.act(field.dataset.act || "edit", { key: field.dataset.edit, value: valueOf(field) }, field)
      }
      if (field.dataset.state && (kind === "change" || field.matches("textarea,input:not([type=checkbox]):not([type=radio])"))) {
        const change = () => grpo.set({ ...JSON.parse(field.dataset.also || "{}"), [field.dataset.state]: valueOf(field) })
        clearTimeout(field.later)
        if (kind === "change") change()
        else field.later = setTimeout(change, 200)
      }
    }
    async act(name, args, source) {
      if (source && "disabled" in source && source.tagName === "BUTTON") source.disabled = true
      try {
        const answer = await this.server.act([name, state, args])
        if (!answer || !answer.state) throw new Error("no answer")
        if (answer.write !== null) grpo.write(answer.write)
        if (Object.keys(answer.state).length) grpo.set(answer.state)
        say(answer.said, answer.wrong)
        if (answer.data && answer.data.go) location.href = answer.data.go
      } catch (error) {
        answered(false)
        const away = document.getElementById("away")
        say(away ? away.innerText || away.textContent : String(error), true)
      } finally {
        if (source && source.tagName === "BUTTON") source.disabled = false
        grpo.refresh()
      }
    }
  }

  grpo.ask = (element, name, args) => { // a script's own question, such as the points of the charts
    const island = islands.find(each => each.root.contains(element))
    return island ? island.server.act([name, state, args]).then(answer => answer.data) : Promise.resolve(null)
  }

  function valueOf(field) {
    if (field.dataset.list !== undefined) { // boxes of one name are one list
      return [...field.closest("[data-boxes]").querySelectorAll("input:checked")].map(box => box.value)
    }
    return field.type === "checkbox" ? field.checked : field.value
  }
  async function copy(button) {
    const text = button.dataset.copy
    try { await navigator.clipboard.writeText(text) } catch { // no permission: the old way
      const area = document.createElement("textarea")
      area.value = text
      document.body.append(area)
      area.select()
      document.execCommand("copy")
      area.remove()
    }
    const said = button.textContent
    button.textContent = "✓"
    setTimeout(() => { button.textContent = said }, 1200)
  }
  function goToLine(number) {
    const content = document.querySelector("#yaml .cm-content")
    const tile = content && (content.cmTile || content.cmView)
    if (!tile || !tile.view) return
    const view = tile.view, line = view.state.doc.line(Math.min(Math.max(number, 1), view.state.doc.lines))
    view.dispatch({ selection: { anchor: line.from, head: line.to }, scrollIntoView: true })
    view.focus()
  }

  grpo.mount = (element, server, trigger, name, everyS) => {
    if (element.dataset.mounted) return
    element.dataset.mounted = "1"
    new Island(element, server, trigger, name, everyS)
  }

  document.addEventListener("click", event => {
    const tab = event.target.closest && event.target.closest("[role=tab][id^=tab-]")
    if (!tab) return
    const name = tab.id.replace(/^tab-/, "").replace(/-button$/, "")
    if (state.tab !== name) { state.tab = name; grpo.keep() }
    setTimeout(grpo.refresh, 30)
  })
  document.addEventListener("visibilitychange", () => { if (!document.hidden) grpo.refresh() })
  const opened = setInterval(() => { // the tabs are there once Gradio has drawn them
    if (document.getElementById("tab-recipes-button")) {
      clearInterval(opened)
      if (state.tab) openTab(state.tab)
      else { state.tab = "recipes"; grpo.keep() }
    }
  }, 50)
})()
