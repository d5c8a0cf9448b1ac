import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Offline, request } from "../helpers/api.js"
import { inView, lastVisible } from "../helpers/anchor.js"
import { throttle } from "../helpers/dom.js"
import { seqOf } from "../helpers/message.js"

const AFTER_MS = 400
const AGAIN_MS = 3000

// The read mark follows what was in view while the person looked, and never moves back.
export default class extends Controller {
  static targets = ["scroller"]
  static values = { thread: String, seq: Number } // what the server knows

  #seen = 0
  #sent = 0
  #again = throttle(() => this.#mark(), AGAIN_MS)

  soon = throttle(() => this.#mark(), AFTER_MS)

  connect() {
    connection.addEventListener("changes", this.soon)
    this.soon()
  }

  disconnect() {
    connection.removeEventListener("changes", this.soon)
    this.soon.cancel()
    this.#again.cancel()
  }

  looked() { this.soon() }

  // What got lost on its way goes again, with the next message or look, or else a little later.
  async #mark() {
    this.#look()
    const seq = this.#seen
    if (seq <= Math.max(this.seqValue, this.#sent)) return
    this.#sent = seq
    if (await this.#answered(seq)) this.seqValue = Math.max(this.seqValue, seq)
    else if (this.#sent === seq) this.#sent = 0
    if (seq > this.seqValue && this.element.isConnected) this.#again()
  }

  #look() {
    if (document.visibilityState !== "visible" || !document.hasFocus() || !inView(this.scrollerTarget)) return
    const seq = seqOf(lastVisible([...this.scrollerTarget.querySelectorAll("article[data-seq]")], this.scrollerTarget))
    if (seq <= Math.max(this.seqValue, this.#seen)) return
    this.#seen = seq
    document.dispatchEvent(new CustomEvent("room:read", { detail: { thread: this.threadValue, seq } }))
  }

  // What is refused would be refused again.
  async #answered(seq) {
    try {
      const { status } = await request("PUT", `/api/threads/${this.threadValue}/read`, { body: { seq } })
      return status < 500 && status !== 429
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      return false
    }
  }
}
