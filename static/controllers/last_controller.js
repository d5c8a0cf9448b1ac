import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { parse } from "../helpers/dom.js"
import { said } from "../helpers/message.js"

// What was said last in a conversation, and when, beside its name.
export default class extends Controller {
  static targets = ["words", "at"]
  static values = { thread: String, seq: Number }

  #last = { seq: 0 }

  connect() {
    connection.addEventListener("changes", this.#changes)
    document.addEventListener("refresh:done", this.#show)
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    document.removeEventListener("refresh:done", this.#show)
  }

  #changes = ({ detail: { items } }) => {
    for (const { table, row, html } of items) {
      if (table !== "project_chat_messages" || !html || row.thread_id !== this.threadValue || row.seq < this.#last.seq) continue
      const message = parse(html)
      this.#last = { seq: row.seq, at: message.querySelector("time"), words: (row.user_id ? "You: " : "") + said(message) }
    }
    this.#show()
  }

  // The page may be older than what was heard since.
  #show = () => {
    const { seq, at, words } = this.#last
    if (seq < this.seqValue || !at) return
    this.seqValue = seq
    this.wordsTarget.textContent = words
    at.dataset.style = "short"
    this.atTarget.replaceChildren(at)
  }
}
