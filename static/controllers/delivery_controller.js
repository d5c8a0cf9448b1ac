import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { toast } from "../helpers/dom.js"

// Retry and Stop of one delivery. The line itself changes when the server says so.
export default class extends Controller {
  retry(event) { this.#ask(event, "retry") }

  stop(event) { this.#ask(event, "stop") }

  async #ask({ params, currentTarget: button }, verb) {
    button.disabled = true
    try {
      const answer = await request("POST", `/api/deliveries/${params.id}/${verb}`)
      if (!answer.ok) toast(reason(answer))
      if (!answer.ok && answer.status !== 409) button.disabled = false
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("The server does not answer. Nothing was changed.")
      button.disabled = false
    }
  }
}
