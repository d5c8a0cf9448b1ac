import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { sibling, toast } from "../helpers/dom.js"
import { idOf } from "../helpers/message.js"

// Makes a task of the message that is meant; its link comes with the server's copy of the message. In a private
// conversation the page first says who will read it then.
export default class extends Controller {
  static targets = ["confirm"]

  promote() {
    const message = sibling(this, "tools").chosen()
    if (!message) return
    if (!this.hasConfirmTarget) return this.#promote(message)
    const dialog = this.confirmTarget
    dialog.returnValue = "no"
    dialog.showModal()
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.#promote(message), { once: true })
  }

  async #promote(message) {
    try {
      const answer = await request("POST", `/api/messages/${idOf(message)}/task`)
      toast(answer.ok ? `Task ${answer.data.number} was made.` : reason(answer))
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("No task was made: the server does not answer.")
    }
  }
}
