import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { ask } from "../helpers/ask.js"
import { muted } from "../helpers/muted.js"

// The bell of a thread. A conversation that has not begun has nothing to be silent about.
export default class extends Controller {
  static values = { thread: String }

  connect() {
    muted.addEventListener("change", this.#show)
    connection.addEventListener("changes", this.#changes)
    this.#show()
  }

  disconnect() {
    muted.removeEventListener("change", this.#show)
    connection.removeEventListener("changes", this.#changes)
  }

  async toggle() {
    const body = { muted: !muted.has(this.threadValue) }
    const answer = await ask(this.element, `/api/threads/${this.threadValue}/mute`, "PUT", body)
    if (answer?.ok) muted.note(answer.data)
  }

  #changes = ({ detail: { items } }) => {
    if (items.some(({ row }) => row?.thread_id === this.threadValue)) this.element.hidden = false
  }

  #show = () => this.element.setAttribute("aria-pressed", String(muted.has(this.threadValue)))
}
