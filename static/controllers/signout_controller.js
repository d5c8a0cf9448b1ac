import { Controller } from "@hotwired/stimulus"
import { outbox } from "../outbox.js"
import { summary } from "../helpers/outbox.js"

// Asks before somebody signs out while something of his waits in this browser.
export default class extends Controller {
  static targets = ["count"]

  #sure = false

  ask(event) {
    const form = event.target
    if (form.getAttribute("action") !== "/sign-out" || this.#sure || !outbox.waiting.length) return
    event.preventDefault()
    this.countTarget.textContent = summary(outbox.waiting)
    this.element.returnValue = ""
    this.element.showModal()
    this.element.addEventListener("close", () => this.#answered(form, this.element.returnValue), { once: true })
  }

  async #answered(form, answer) {
    if (answer !== "keep" && answer !== "discard") return
    if (answer === "discard") await outbox.clear()
    this.#sure = true
    form.requestSubmit()
  }
}
