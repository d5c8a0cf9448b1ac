import { Controller } from "@hotwired/stimulus"
import { waiting } from "../helpers/waiting.js"

// The number of what waits for this person, beside the link to it.
export default class extends Controller {
  connect() {
    waiting.addEventListener("change", this.show)
    this.show()
  }

  disconnect() { waiting.removeEventListener("change", this.show) }

  show = () => {
    const count = waiting.rows.length
    this.element.hidden = !count
    const words = Object.assign(document.createElement("span"), { className: "sr-only", textContent: " waiting" })
    this.element.replaceChildren(String(count), words)
  }
}
