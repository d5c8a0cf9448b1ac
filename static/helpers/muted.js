// Threads that this person muted: read once from the page, then kept by the stream of his own marks.
import { connection } from "../socket.js"

class Muted extends EventTarget {
  #source = null
  #threads = new Set()

  constructor() {
    super()
    connection.addEventListener("changes", ({ detail: { items } }) => {
      for (const { table, row } of items) if (table === "thread_reads" && row) this.note(row)
    })
  }

  has(thread) {
    this.#read()
    return this.#threads.has(thread)
  }

  // As a read mark says it.
  note({ user_id: user, thread_id: thread, muted }) {
    if (user !== document.body.dataset.me || this.has(thread) === muted) return
    if (muted) this.#threads.add(thread)
    else this.#threads.delete(thread)
    this.dispatchEvent(new Event("change"))
  }

  #read() {
    const source = document.getElementById("muted")
    if (source === this.#source) return
    this.#source = source
    this.#threads = new Set(source ? JSON.parse(source.textContent) : [])
  }
}

export const muted = new Muted()
