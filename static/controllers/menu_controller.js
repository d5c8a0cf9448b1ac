import { Controller } from "@hotwired/stimulus"

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }

// A popup whose entries the arrows go through; it opens at the first, and Esc leads back to its button.
export default class extends Controller {
  opened({ newState }) { if (newState === "open") this.#entries[0]?.focus() }

  step(event) {
    const entries = this.#entries
    const here = entries.indexOf(document.activeElement)
    const next = { Home: 0, End: entries.length - 1 }[event.key] ?? here + STEPS[event.key]
    if (Number.isNaN(next)) return
    event.preventDefault()
    entries.at(next % entries.length)?.focus()
  }

  get #entries() { return [...this.element.querySelectorAll("a, button")] }
}
