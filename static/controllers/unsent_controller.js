import { Controller } from "@hotwired/stimulus"
import { outbox } from "../outbox.js"
import { summary } from "../helpers/outbox.js"
import { title, words } from "../helpers/outbox_line.js"

// What waits in this browser, of any page, each with a way to take it back.
export default class extends Controller {
  static targets = ["count", "list", "template"]

  connect() {
    outbox.addEventListener("change", this.#show)
    this.#show()
  }

  disconnect() { outbox.removeEventListener("change", this.#show) }

  forget({ currentTarget }) {
    outbox.forget(currentTarget.dataset.key)
    this.listTarget.focus() // the button is gone
  }

  #show = () => {
    const { waiting } = outbox
    this.countTarget.textContent = summary(waiting) || "Nothing"
    this.listTarget.hidden = !waiting.length
    this.listTarget.replaceChildren(...waiting.map((entry) => this.#row(entry)))
  }

  #row(entry) {
    const row = this.templateTarget.content.firstElementChild.cloneNode(true)
    const [text, button] = row.children
    text.textContent = `${title(entry)} · ${words(entry)}`
    button.textContent = entry.state === "failed" ? "Discard" : "Cancel"
    button.setAttribute("aria-label", `${button.textContent}: ${title(entry)}`)
    button.dataset.key = entry.key
    button.disabled = entry.state === "sending"
    return row
  }
}
