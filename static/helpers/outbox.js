// What a person did here and the server has not confirmed yet. Each is one call of the API under a key of its own, kept
// until it is answered: a repeat has the same key, so that it happens once even when an answer was lost on the way.
import { Offline, reason } from "./api.js"

const RETRY_MS = [500, 1000, 2000, 4000, 8000]
const LONGEST_PAUSE_MS = 3_600_000
const UNTIL = {
  reached: "Waits for the connection",
  ready: "Waits, the server is busy",
  signedIn: "Waits until you sign in again",
}
const SHOWN = { waiting: "sending", failed: "failed" } // somebody is at it, or says why not
const NO_ROOM = "This browser keeps no more"

// crypto.randomUUID needs https or localhost; a room on a local network has neither.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

// "2 messages, 1 reaction"
export function summary(entries) {
  const counts = {}
  for (const { kind } of entries) counts[kind] = (counts[kind] ?? 0) + 1
  return Object.entries(counts).map(([kind, count]) => `${count} ${kind}${count === 1 ? "" : "s"}`).join(", ")
}

export const fileNames = ({ files = [] }) => files.map(({ name }) => name).join(", ")

// What has a place of its own on the page, which the server's copy takes.
export const isPlaced = ({ kind }) => kind === "message" || kind === "comment"

// An entry is `sending`, `waiting`, `failed` (refused, with the reason), `sent` or `gone` (cancelled). What is kept is the
// truth about it; `entries` follows, since any tab may add, send or cancel.
export class Outbox extends EventTarget {
  entries = []
  durable = true
  #user
  #project
  #done = new Set() // keys of what a row that is still there says nothing about any more
  #draining = false
  #again = false
  #failures = 0
  #timer
  #opened
  #open
  #send
  #renew
  #lock
  #channel

  // store(): see outbox_store.js; send: request(); renew(user): see renewToken(); lock(name, work): one tab at a time.
  constructor({ store, send, renew, lock, channel }) {
    super()
    this.#open = store
    this.#send = send
    this.#renew = renew
    this.#lock = lock
    this.#channel = channel
    channel.onmessage = ({ data }) => this.#heard(data)
  }

  // What is not confirmed, refused ones too.
  get waiting() { return this.entries.filter(({ state }) => state !== "sent") }

  // Whose page this is: what others left in this browser is neither read nor sent.
  async open(user, project) {
    this.#project = project
    if (user !== this.#user) {
      this.#user = user
      clearTimeout(this.#timer)
      for (const entry of [...this.entries]) this.#drop(entry)
    }
    if (user) await this.drain()
  }

  // `thread`: what is kept in order; `kind`: message, reaction, edit or comment; `about`: what the page needs to show it,
  // with `text` and `files` for people. `entry.first` becomes the state after the first try.
  add({ key = newId(), thread, kind, method, path, body, about }) {
    const entry = {
      key, user: this.#user, project: this.#project, thread, kind, method, path, body, about,
      at: new Date().toISOString(), state: "sending", reason: "",
    }
    entry.first = new Promise((resolve) => { entry.tried = resolve })
    this.entries.push(entry)
    this.#tell(entry)
    this.#keep(entry)
    return entry
  }

  // Cancelled, given up, or its copy is on the page.
  async forget(key) {
    const entry = this.#find(key)
    if (!entry) return
    this.#done.add(key)
    this.#drop(entry)
    await entry.kept
    if (entry.id) await (await this.#store()).remove(entry.id)
    this.#channel.postMessage({ key, state: "gone" })
  }

  async retry(key) {
    const entry = this.#find(key)
    if (entry?.state !== "failed") return
    this.#mark(entry, "sending")
    if (!entry.id) return this.#keep(entry)
    await (await this.#store()).change(entry.id, { state: "waiting", reason: "" })
    await this.drain()
  }

  clear() { return Promise.all([...this.entries].map(({ key }) => this.forget(key))) }

  // Sends what waits, in order. Another tab that is at it is waited for; then there is mostly nothing left.
  async drain() {
    clearTimeout(this.#timer)
    this.#again = true
    if (this.#draining || !this.#user) return
    this.#draining = true
    try {
      while (this.#again) {
        this.#again = false
        await this.#lock(`outbox ${this.#user}`, () => this.#round(this.#user))
      }
    } finally {
      this.#draining = false
    }
  }

  async #round(user) {
    const stuck = new Set()
    while (user === this.#user) {
      const rows = await this.#read()
      const pause = Math.max(0, ...rows.map(({ not_before }) => not_before ?? 0)) - Date.now()
      if (pause > 0 && pause <= LONGEST_PAUSE_MS) return this.#hold(UNTIL.ready, pause) // longer: the clock was set back
      const next = user === this.#user && rows.find(({ key, state, thread }) => state === "waiting" && !stuck.has(thread) && !this.#done.has(key))
      if (!next) break
      if (!(await this.#deliver(this.#find(next.key), stuck))) return
    }
    if (stuck.size) this.#hold(UNTIL.ready)
  }

  // False when nothing else can be sent now.
  async #deliver(entry, stuck) {
    this.#mark(entry, "sending")
    let answer
    try {
      answer = await this.#ask(entry)
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#hold(UNTIL.reached)
      return false
    }
    const { ok, status, retryAfter } = answer
    if (status === 401) {
      this.#wait(UNTIL.signedIn)
      return false
    }
    if (status === 429 || status === 503) {
      await this.#pause(retryAfter * 1000)
      return false
    }
    if (status >= 500) stuck.add(entry.thread)
    else {
      this.#failures = 0
      if (entry.state !== "gone") await (ok ? this.#sent(entry) : this.#refused(entry, reason(answer)))
    }
    return true
  }

  async #ask(entry) {
    const { method, path, body, key, user } = entry
    const send = () => this.#send(method, path, { body, key })
    entry.tries = (entry.tries ?? 0) + 1
    const answer = await send()
    // The first try may be carried out at this moment: when it is, its answer is there now.
    if (answer.status === 409 && entry.tries > 1) return send()
    if (answer.status !== 403) return answer
    const token = await this.#renew(user)
    if (token === "renewed") return send()
    return token === "current" ? answer : { ...answer, status: 401 }
  }

  // Said before it is taken out: a tab that looks in between would think it cancelled.
  async #sent(entry) {
    this.#confirm(entry)
    this.#channel.postMessage({ key: entry.key, state: "sent" })
    await (await this.#store()).remove(entry.id)
  }

  async #refused(entry, why) {
    await (await this.#store()).change(entry.id, { state: "failed", reason: why })
    this.#mark(entry, "failed", why)
    this.#channel.postMessage({ key: entry.key, state: "failed" })
  }

  // Kept with what waits, so that no other tab and no later page asks sooner.
  async #pause(ms) {
    const store = await this.#store()
    const not_before = Date.now() + Math.min(ms, LONGEST_PAUSE_MS)
    for (const { id, state } of await store.of(this.#user)) if (state === "waiting") await store.change(id, { not_before })
    this.#hold(UNTIL.ready, ms)
  }

  #hold(why, least = 0) {
    const pause = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] * (0.5 + Math.random())
    this.#wait(why)
    this.#again = false
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.drain(), Math.max(least, pause))
  }

  #wait(why) {
    this.#markAll(why)
    this.#channel.postMessage({ why })
  }

  #markAll(why) {
    for (const entry of this.entries) if (entry.state === "sending" || entry.state === "waiting") this.#mark(entry, "waiting", why)
  }

  // Kept first, then sent.
  #keep(entry) {
    const { key, user, project, thread, kind, method, path, body, about, at } = entry
    const row = { key, user, project, thread, kind, method, path, body, about, at, state: "waiting", reason: "" }
    entry.kept = this.#write(entry, row)
    entry.kept.then(() => this.drain())
  }

  async #write(entry, row) {
    try {
      entry.id = await (await this.#store()).add(row)
      this.#channel.postMessage({ key: entry.key, state: "waiting" })
    } catch (error) {
      if (!(error instanceof DOMException)) throw error
      this.#mark(entry, "failed", NO_ROOM)
    }
  }

  // Brings `entries` up to what is kept.
  async #read() {
    const rows = await (await this.#store()).of(this.#user)
    for (const entry of [...this.entries]) {
      const row = rows.find(({ key }) => key === entry.key)
      if (row) this.#follow(entry, row)
      else if (entry.id && entry.state !== "sent") this.#drop(entry)
    }
    for (const row of rows) {
      if (this.#find(row.key) || this.#done.has(row.key) || row.user !== this.#user) continue
      const entry = { ...row, state: SHOWN[row.state] }
      this.entries.push(entry)
      this.#tell(entry)
    }
    return rows
  }

  #follow(entry, row) {
    entry.id = row.id
    if (row.state === "failed" && entry.state !== "failed") this.#mark(entry, "failed", row.reason)
    if (row.state === "waiting" && entry.state === "failed") this.#mark(entry, "sending")
  }

  // Another tab changed something. Should it be closed before it has sent all, this one goes on.
  async #heard({ key, state, why }) {
    if (!this.#user) return
    if (state === "sent" || state === "gone") this.#done.add(key)
    const entry = this.#find(key)
    if (entry && state === "sent") this.#confirm(entry)
    await this.#read()
    if (why) this.#markAll(why)
    if (this.#draining) return
    clearTimeout(this.#timer)
    const more = this.entries.some((one) => one.state === "sending" || one.state === "waiting")
    if (more) this.#timer = setTimeout(() => this.drain(), RETRY_MS.at(-1))
  }

  // A message or a comment stays until its copy is on the page; of other things nothing more is shown.
  #confirm(entry) {
    this.#done.add(entry.key)
    if (!isPlaced(entry)) this.entries.splice(this.entries.indexOf(entry), 1)
    this.#mark(entry, "sent")
  }

  #drop(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1)
    this.#mark(entry, "gone")
  }

  #mark(entry, state, why = "") {
    Object.assign(entry, { state, reason: why })
    this.#tell(entry)
  }

  #tell(entry) {
    if (entry.state !== "sending") entry.tried?.(entry.state)
    this.dispatchEvent(new CustomEvent("change", { detail: entry }))
  }

  #find(key) { return this.entries.find((entry) => entry.key === key) }

  async #store() {
    const store = await (this.#opened ??= this.#open())
    this.durable = store.durable
    return store
  }
}
