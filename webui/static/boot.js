// First in <head>: which language and which colours? Gradio reads navigator.language once, before anything of ours runs.
(() => {
  const kept = name => { try { return localStorage.getItem(name) } catch { return null } }
  const keep = (name, value) => { try { localStorage.setItem(name, value) } catch { /* private windows */ } }
  const asked = new URLSearchParams(location.search).get("lang")
  const lang = asked || kept("grpoctl-lang") || ((navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en")
  if (asked) keep("grpoctl-lang", asked)
  const locale = lang === "zh" ? "zh-CN" : "en"
  Object.defineProperty(navigator, "language", { get: () => locale, configurable: true })
  Object.defineProperty(navigator, "languages", { get: () => [locale], configurable: true })
  document.documentElement.lang = locale
  const dark = kept("grpoctl-dark") ?? String(matchMedia("(prefers-color-scheme: dark)").matches)
  const paint = () => {
    document.documentElement.classList.toggle("grpo-dark", window.grpoDark) // what is there of the page while Gradio loads
    if (document.body) document.body.classList.toggle("dark", window.grpoDark)
  }
  window.grpoDark = dark === "true"
  paint()
  // Gradio paints by the system's wish when it is ready, which may be late.
  const watch = () => new MutationObserver(() => { if (document.body.classList.contains("dark") !== window.grpoDark) paint() })
    .observe(document.body, { attributes: true, attributeFilter: ["class"] })
  document.addEventListener("DOMContentLoaded", () => { paint(); watch() })
  window.grpoLang = lang
  window.grpoSwitchLanguage = () => {
    keep("grpoctl-lang", lang === "zh" ? "en" : "zh")
    const url = new URL(location)
    url.searchParams.delete("lang")
    location.href = url
  }
  window.grpoSwitchColours = () => {
    window.grpoDark = !window.grpoDark
    keep("grpoctl-dark", String(window.grpoDark))
    paint()
    window.dispatchEvent(new Event("grpo:colours"))
  }
})()
