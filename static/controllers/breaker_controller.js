import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { ask } from "../helpers/ask.js"

// The line that says the agents were paused, with Continue and Stop.
export default class extends Controller {
  static targets = ["line"]
  static values = { thread: String }

  connect() { connection.addEventListener("changes", this.#changes) }

  disconnect() { connection.removeEventListener("changes", this.#changes) }

  resume({ currentTarget: button }) { ask(button, `/api/threads/${this.threadValue}/continue`) }

  halt({ currentTarget: button }) { ask(button, `/api/threads/${this.threadValue}/halt`) }

  #changes = ({ detail: { items } }) => {
    for (const { table, id, row } of items) {
      if (table === "project_chat_threads" && id === this.threadValue && row) this.lineTarget.hidden = !row.paused_at
    }
  }
}
