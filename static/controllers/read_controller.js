import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Offline, request } from "../helpers/api.js"
import { inView, lastVisible } from "../helpers/anchor.js"
import { throttle } from "../helpers/dom.js"
import { seqOf } from "../helpers/message.js"

const AFTER_MS = 400

// The read mark follows what was in view while the person looked, and never moves back.
export default class extends Controller {
  static targets = ["scroller"]
  static values = { thread: String, seq: Number }

  soon = throttle(() => this.#mark(), AFTER_MS)

  connect() {
    connection.addEventListener("changes", this.soon)
    this.soon()
  }

  disconnect() {
    connection.removeEventListener("changes", this.soon)
    this.soon.cancel()
  }

  looked() { this.soon() }

  async #mark() {
    if (document.visibilityState !== "visible" || !document.hasFocus() || !inView(this.scrollerTarget)) return
    const seq = seqOf(lastVisible([...this.scrollerTarget.querySelectorAll("article[data-seq]")], this.scrollerTarget))
    if (seq <= this.seqValue) return
    this.seqValue = seq
    document.dispatchEvent(new CustomEvent("room:read", { detail: { thread: this.threadValue, seq } }))
    try {
      await request("PUT", `/api/threads/${this.threadValue}/read`, { body: { seq } })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
    }
  }
}
