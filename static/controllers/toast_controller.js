import { Controller } from "@hotwired/stimulus"

const SHOWN_MS = 6000

// One short line at a time, bottom left. Never an error, never the only place something is said.
export default class extends Controller {
  #timer

  disconnect() { clearTimeout(this.#timer) }

  show({ detail: { words } }) {
    clearTimeout(this.#timer)
    this.element.replaceChildren(Object.assign(document.createElement("p"), { className: "toast", textContent: words }))
    this.#timer = setTimeout(() => this.element.replaceChildren(), SHOWN_MS)
  }
}
