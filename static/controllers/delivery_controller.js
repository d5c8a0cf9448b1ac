import { Controller } from "@hotwired/stimulus"
import { ask } from "../helpers/ask.js"

// Retry and Stop of one delivery. The line itself changes when the server says so.
export default class extends Controller {
  retry(event) { this.#ask(event, "retry") }

  stop(event) { this.#ask(event, "stop") }

  async #ask({ params, currentTarget: button }, verb) {
    const answer = await ask(button, `/api/deliveries/${params.id}/${verb}`)
    if (answer?.ok || answer?.status === 409) button.disabled = true
  }
}
