import { Controller } from "@hotwired/stimulus"
import { distance, formatted } from "../helpers/times.js"

// "Now" or a time in the reader's own zone, which is sent with its offset and said back in words.
export default class extends Controller {
  static targets = ["later", "at", "words"]

  connect() {
    this.chosen()
  }

  // The form's own reset comes after its event.
  again() {
    requestAnimationFrame(() => this.chosen())
  }

  chosen() {
    this.atTarget.disabled = !this.laterTarget.checked
    const at = this.#at
    this.wordsTarget.textContent = at ? `${formatted(at, "planned")} (${distance(at)})` : "In your own time zone"
  }

  say({ formData }) {
    formData.delete("when")
    if (formData.has("at")) formData.set("at", this.#at?.toISOString() ?? "")
  }

  get #at() {
    const at = new Date(this.atTarget.value)
    return Number.isNaN(at.getTime()) ? null : at
  }
}
