import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { debounce, morph } from "../helpers/dom.js"

const SETTLE_MS = 250
const AGAIN_MS = 2000

// Fetches this page again when a table changed that is shown without partials of its own, or when its stream begins
// anew because something was switched on, and takes over the parts marked data-refresh. For what changes rarely;
// messages never come this way.
export default class extends Controller {
  static values = { tables: Array }

  #later = debounce(() => this.#fetch(), SETTLE_MS + Math.random() * SETTLE_MS)

  connect() {
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#later)
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#later)
    this.#later.cancel()
  }

  #changes = ({ detail }) => {
    if (detail.items.some(({ table }) => this.tablesValue.includes(table))) this.#later()
  }

  async #read() {
    try {
      return await fetch(location.href, { headers: { Accept: "text/html" } })
    } catch (error) {
      if (!(error instanceof TypeError)) throw error // the server did not answer, or the page is being left
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }

  async #fetch() {
    const response = await this.#read()
    const html = response?.ok && await response.text()
    if (!this.element.isConnected) return // this is of the page before
    if (!response) return this.#later()
    const once = document.querySelector("[data-once]") // what is shown only once must stay
    if (!once && (!response.ok || response.redirected)) return location.reload()
    if (!response.ok) return
    const page = new DOMParser().parseFromString(html, "text/html")
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.getElementById(part.id)
      if (fresh && !inUse(part)) morph(part, document.adoptNode(fresh))
    }
    this.dispatch("done", { target: document.body })
  }
}

// What somebody writes there would be lost.
const inUse = (part) => part.contains(document.activeElement?.closest("form"))
  || [...part.querySelectorAll("textarea")].some(({ value, defaultValue }) => value !== defaultValue)
