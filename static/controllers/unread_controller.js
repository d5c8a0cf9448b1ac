import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { muted } from "../helpers/muted.js"

// How many messages of its threads the person has not read: their last seqs less the read marks, here and in the title.
// What is muted counts for nothing.
export default class extends Controller {
  static values = { threads: Array } // [[thread, last, read], …]

  #threads = new Map()

  connect() {
    connection.addEventListener("changes", this.#changes)
    muted.addEventListener("change", this.#show)
    for (const name of ["room:read", "refresh:done", "turbo:load"]) document.addEventListener(name, this.#heard)
    this.#show()
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    muted.removeEventListener("change", this.#show)
    for (const name of ["room:read", "refresh:done", "turbo:load"]) document.removeEventListener(name, this.#heard)
  }

  // What the page says may be older than what was heard since.
  threadsValueChanged(threads) {
    const known = this.#threads
    this.#threads = new Map(threads.map(([id]) => [id, known.get(id) ?? { last: 0, read: 0 }]))
    for (const [id, last, read] of threads) this.#note(id, { last, read })
  }

  #changes = ({ detail: { items } }) => {
    for (const { table, row } of items) {
      if (table === "project_chat_messages" && row) this.#note(row.thread_id, { last: row.seq })
      if (table === "thread_reads" && row?.user_id === document.body.dataset.me) this.#note(row.thread_id, { read: row.read_seq })
    }
    this.#show()
  }

  #heard = ({ detail }) => {
    if (detail?.thread) this.#note(detail.thread, { read: detail.seq })
    this.#show()
  }

  #note(id, { last = 0, read = 0 }) {
    const thread = this.#threads.get(id)
    if (!thread) return
    thread.last = Math.max(thread.last, last)
    thread.read = Math.max(thread.read, read)
  }

  #show = () => {
    const heard = [...this.#threads].filter(([id]) => !muted.has(id))
    const count = heard.reduce((sum, [, { last, read }]) => sum + Math.max(0, last - read), 0)
    this.element.hidden = count === 0
    this.element.dataset.unread = count
    const words = Object.assign(document.createElement("span"), { className: "sr-only", textContent: " unread" })
    this.element.replaceChildren(count > 99 ? "99+" : String(count), words)
    const all = [...document.querySelectorAll(".sidebar [data-unread]")].reduce((sum, { dataset }) => sum + Number(dataset.unread), 0)
    document.title = `${all ? `(${all}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`
  }
}
