// Messages on their way, in the order they were written. Lives in memory, so it survives moving between pages.
import { Offline, reason, request } from "./api.js"

const RETRY_MS = [500, 1000, 2000, 4000, 8000]
const boxes = new Map()

export function outboxOf(thread) {
  if (!boxes.has(thread)) boxes.set(thread, new Outbox(thread))
  return boxes.get(thread)
}

// crypto.randomUUID needs https or localhost; a room on a local network has neither.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

export const waiting = () => [...boxes.values()].reduce((sum, box) => sum + box.waiting, 0)

export class Outbox extends EventTarget {
  entries = []
  #thread
  #send
  #draining = false
  #tries = 0
  #timer

  constructor(thread, send = request) {
    super()
    this.#thread = thread
    this.#send = send
  }

  get waiting() { return this.entries.filter(({ state }) => state !== "sent").length }

  add(content, replyTo) {
    const entry = { client_id: newId(), content, reply_to: replyTo, at: new Date(), state: "sending", reason: "" }
    this.entries.push(entry)
    this.#changed(entry)
    this.drain()
    return entry
  }

  // The server's copy is on the page, or the writer gave up: forget the entry.
  forget(clientId) {
    const entry = this.#find(clientId)
    if (!entry) return false
    this.entries.splice(this.entries.indexOf(entry), 1)
    entry.state = "gone"
    this.#changed(entry)
    return true
  }

  retry(clientId) {
    const entry = this.#find(clientId)
    if (entry?.state !== "failed") return
    this.#mark(entry, "sending")
    this.drain()
  }

  // Sends one after another; a message that cannot leave now holds back those written after it.
  async drain() {
    clearTimeout(this.#timer)
    if (this.#draining) return
    this.#draining = true
    try {
      for (let entry = this.#next(); entry; entry = this.#next()) {
        if (!(await this.#post(entry))) break
      }
    } finally {
      this.#draining = false
    }
  }

  #next() { return this.entries.find(({ state }) => state === "sending" || state === "waiting") }

  #find(clientId) { return this.entries.find(({ client_id }) => client_id === clientId) }

  async #post(entry) {
    this.#mark(entry, "sending")
    const { client_id, content, reply_to } = entry
    let answer
    try {
      answer = await this.#send("POST", `/api/threads/${this.#thread}/messages`, { body: { client_id, content, ...(reply_to && { reply_to }) } })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      return this.#wait(entry, "No connection. Sends by itself.", 0)
    }
    if (answer.status >= 500 || answer.status === 429) return this.#wait(entry, "The server is busy. Sends by itself.", answer.retryAfter * 1000)
    this.#tries = 0
    if (entry.state === "gone") return true
    this.#mark(entry, answer.ok ? "sent" : "failed", answer.ok ? "" : reason(answer))
    return true
  }

  #wait(entry, words, least) {
    const pause = Math.max(least, RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)] * (0.5 + Math.random()))
    for (const later of this.entries) if (later.state === "sending" || later.state === "waiting") this.#mark(later, "waiting", words)
    this.#timer = setTimeout(() => this.drain(), pause)
    return false
  }

  #mark(entry, state, why = "") {
    Object.assign(entry, { state, reason: why })
    this.#changed(entry)
  }

  #changed(entry) { this.dispatchEvent(new CustomEvent("change", { detail: entry })) }
}
