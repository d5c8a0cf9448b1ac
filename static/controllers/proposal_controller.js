import { Controller } from "@hotwired/stimulus"
import { waiting } from "../helpers/waiting.js"

// One card: what the server cannot know of it. Whether I put it aside, and whether it is still what I saw.
export default class extends Controller {
  #seen

  connect() {
    waiting.addEventListener("change", this.#fold)
    this.#seen = this.element.dataset.digest
    this.#fold()
  }

  disconnect() { waiting.removeEventListener("change", this.#fold) }

  // A comparison that was fetched stays while it is of the same version.
  keep(event) {
    const { target, detail } = event
    if (target.matches("turbo-frame") && detail.newElement?.id === target.id) event.preventDefault()
  }

  morphed({ target }) {
    if (target !== this.element) return
    this.#fold()
    this.element.toggleAttribute("data-changed", this.#waits && this.element.dataset.digest !== this.#seen)
  }

  review() {
    this.#seen = this.element.dataset.digest
    this.element.removeAttribute("data-changed")
    this.element.focus()
  }

  get #waits() { return "waits" in this.element.dataset }

  #fold = () => {
    this.element.toggleAttribute("data-folded", this.#waits && waiting.folded(this.element.id.replace("proposal_", "")))
  }
}
