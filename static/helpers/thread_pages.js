// Reads pages of a thread, one at a time. What changes meanwhile is kept, because the page may be older than it.
import { Offline, request } from "./api.js"

const SIZE = 50

export class ThreadPages {
  #thread
  #reading = null
  #missed = []

  constructor(thread) { this.#thread = thread }

  get reading() { return Boolean(this.#reading) }

  note(items) {
    if (this.#reading) this.#missed.push(...items)
  }

  // What was noted since the reading began, once.
  takeMissed() { return this.#missed.splice(0) }

  // {messages, has_before, has_after} of {before}, {after} or {around} a seq; null when it could not be read.
  async read(place) {
    if (this.#reading) await this.#reading
    this.#missed = []
    this.#reading = this.#get(place)
    try {
      return await this.#reading
    } finally {
      this.#reading = null
    }
  }

  async #get(place) {
    try {
      const { ok, data } = await request("GET", `/api/threads/${this.#thread}/messages?${new URLSearchParams({ ...place, limit: SIZE })}`)
      return ok ? data : null
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      return null
    }
  }
}
