import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { toast } from "../helpers/dom.js"

// A form that is sent as JSON; what is wrong is said at the field.
export default class extends Controller {
  static targets = ["error"]
  static values = { url: String, method: { type: String, default: "POST" }, done: String }

  async send(event) {
    event.preventDefault()
    const button = this.element.querySelector(".btn[data-variant=primary]")
    button.disabled = true
    this.#clear()
    try {
      const answer = await request(this.methodValue, this.urlValue, { body: Object.fromEntries(new FormData(this.element)) })
      if (answer.ok) this.#done(answer.data)
      else this.#refused(answer)
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#say("The server does not answer. Nothing was changed.")
    } finally {
      button.disabled = false
    }
  }

  #done(data) {
    if (this.methodValue === "POST") this.element.reset()
    this.element.closest("[popover]")?.hidePopover()
    toast(data.mode === "backup" ? `${this.doneValue}. It waits until the executor is back.` : this.doneValue)
  }

  #refused(answer) {
    let unnamed = true
    for (const [name, sentences] of Object.entries(answer.data.error?.fields ?? {})) {
      const field = this.element.elements[name]
      if (!field) continue
      field.setAttribute("aria-invalid", "true")
      field.setCustomValidity([sentences].flat().join(", "))
      field.addEventListener("input", () => field.setCustomValidity(""), { once: true })
      if (unnamed) field.reportValidity()
      unnamed = false
    }
    this.#say(reason(answer))
  }

  #clear() {
    this.errorTarget.hidden = true
    for (const field of this.element.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid")
  }

  #say(words) {
    this.errorTarget.textContent = words
    this.errorTarget.hidden = false
  }
}
