import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"

// How many messages of a thread the person has not read: its last seq less his read mark, here and in the title.
export default class extends Controller {
  static values = { thread: String, last: Number, read: Number }

  connect() {
    connection.addEventListener("changes", this.#changes)
    document.addEventListener("room:read", this.#read)
    this.#show()
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    document.removeEventListener("room:read", this.#read)
  }

  #changes = ({ detail: { items } }) => {
    for (const { table, row } of items) {
      if (row?.thread_id !== this.threadValue) continue
      if (table === "project_chat_messages") this.lastValue = Math.max(this.lastValue, row.seq)
      if (table === "thread_reads" && row.user_id === document.body.dataset.me) this.readValue = Math.max(this.readValue, row.read_seq)
    }
    this.#show()
  }

  #read = ({ detail: { thread, seq } }) => {
    if (thread !== this.threadValue) return
    this.readValue = Math.max(this.readValue, seq)
    this.#show()
  }

  #show() {
    const count = Math.max(0, this.lastValue - this.readValue)
    this.element.hidden = count === 0
    const words = Object.assign(document.createElement("span"), { className: "sr-only", textContent: " unread" })
    this.element.replaceChildren(count > 99 ? "99+" : String(count), words)
    document.title = `${count ? `(${count}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`
  }
}
