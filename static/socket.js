// The one connection: streams over a websocket, and over HTTP while there is none.
// A page follows streams from the seq of its own snapshot; changes are applied once and in order, and gaps are closed.
import { io } from "socket.io-client"
import { Offline, reach, request } from "./helpers/api.js"

const FALLBACK_AFTER_MS = 3000
const LOST_AFTER_MS = 3000
const ACK_MS = 8000
const LONG_POLL_S = 25
const POLL_PATIENCE_MS = 40_000
const HIDDEN_PAUSE_MS = 5000
const WITHDRAWN = new Set(["forbidden", "not_found", "sign_in"])
const EPHEMERAL = ["delta", "typing", "agent"]

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const jitter = (ms) => ms * (0.5 + Math.random())

class Connection extends EventTarget {
  lastEvent = null
  reached = true
  #streams = new Map()
  #socket
  #fallback
  #lost
  #byeMs = 0
  #online = { project_id: null, online: [] }

  constructor() {
    super()
    this.#socket = io({
      path: "/socket.io", transports: ["websocket"], autoConnect: false, timeout: ACK_MS,
      reconnectionDelay: 500, reconnectionDelayMax: 10_000, randomizationFactor: 0.5, auth: (give) => this.#ticket(give),
    })
    this.#socket.on("connect", () => this.#connected())
    this.#socket.on("disconnect", (why) => this.#disconnected(why))
    this.#socket.on("connect_error", () => this.#refused())
    this.#socket.on("changes", (packet) => this.#received(packet))
    this.#socket.on("server_bye", ({ retry_ms }) => { this.#byeMs = retry_ms })
    this.#socket.on("presence", (detail) => {
      this.#online = detail
      this.#tell("presence")
    })
    for (const name of EPHEMERAL) this.#socket.on(name, (detail) => this.#tell(name, detail))
    reach.addEventListener("reached", ({ detail }) => this.#heard(detail.status))
    reach.addEventListener("lost", () => this.#silent())
    window.addEventListener("online", () => this.#nudge())
  }

  get transport() {
    if (this.#socket.connected) return "websocket"
    return this.#polling ? "poll" : "none"
  }

  // What this page follows: [{name, seq}]. Positions of an earlier page say nothing about this one.
  follow(streams) {
    for (const stream of this.#streams.values()) {
      stream.end()
      if (!streams.some(({ name }) => name === stream.name)) this.emit("unsubscribe", { stream: stream.name })
    }
    this.#streams = new Map(streams.map(({ name, seq }) => [name, new Stream(name, seq)]))
    if (!streams.length) return this.#socket.disconnect()
    if (this.#socket.connected) this.#subscribeAll()
    else {
      this.#socket.connect()
      this.#fallbackSoon()
    }
  }

  // Who was last said to be here; it is said when that changes, and a new page must know too.
  online(project) { return this.#online.project_id === project ? this.#online.online : [] }

  emit(event, data) {
    if (this.#socket.connected) this.#socket.volatile.emit(event, data)
  }

  async #ticket(give) {
    const engine = this.#socket.io.engine
    try {
      const { ok, data } = await request("POST", "/api/socket/ticket")
      if (engine !== this.#socket.io.engine) return // a ticket that comes late must not open a later connection twice
      if (ok) return give({ ticket: data.ticket })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
    }
    engine?.close()
  }

  #connected() {
    clearTimeout(this.#fallback)
    for (const stream of this.#streams.values()) stream.stopPolling()
    this.#heard()
    this.#subscribeAll()
  }

  #disconnected(why) {
    this.#tell("state")
    this.#fallbackSoon()
    if (why === "io server disconnect") {
      // A server that stays and sends us away has a reason: a session that ended elsewhere is told by the answer.
      if (!this.#byeMs) this.#ask()
      setTimeout(() => this.#streams.size && this.#socket.connect(), jitter(this.#byeMs || 1000))
    }
    this.#byeMs = 0
  }

  async #ask() {
    try {
      await request("GET", "/api/health")
    } catch (error) {
      if (!(error instanceof Offline)) throw error
    }
  }

  #refused() {
    if (!this.#socket.active) setTimeout(() => this.#streams.size && this.#socket.connect(), jitter(2000))
    this.#tell("state")
  }

  // The network is back: do not wait for the next try.
  #nudge() {
    if (!this.#socket.connected && this.#streams.size) this.#socket.disconnect().connect()
  }

  #subscribeAll() {
    this.#tell("state")
    for (const stream of this.#streams.values()) this.#subscribe(stream)
  }

  // Asks for what was missed until there is no more; one question at a time for each stream.
  async #subscribe(stream) {
    if (stream.asking) {
      stream.askAgain = true
      return
    }
    stream.asking = true
    let more = true
    while (more && this.#socket.connected && !stream.ended) {
      stream.askAgain = false
      let answer
      try {
        answer = await this.#socket.timeout(ACK_MS).emitWithAck("subscribe", { stream: stream.name, since: stream.seq })
      } catch {
        await sleep(jitter(1000))
        continue
      }
      this.#heard()
      if (!answer.ok && WITHDRAWN.has(answer.error?.code)) {
        this.#tell("refused", { stream: stream.name })
        break
      }
      if (!answer.ok) {
        await sleep(jitter(2000))
        continue
      }
      more = this.#caughtUp(stream, answer) && (answer.more || stream.askAgain)
    }
    stream.asking = false
  }

  #caughtUp(stream, answer) {
    if (stream.ended) return false
    if (answer.reset) {
      this.#tell("reset", { stream: stream.name })
      return false
    }
    this.#apply(stream, answer.items ?? [], answer.seq)
    if (answer.live) this.#tell("live", { stream: stream.name, items: answer.live })
    return true
  }

  #received({ stream: name, from, to, items }) {
    this.#heard()
    const stream = this.#streams.get(name)
    if (!stream) return
    if (from > stream.seq) this.#subscribe(stream)
    else this.#apply(stream, items, to)
  }

  #apply(stream, items, seq) {
    const fresh = items.filter((item) => item.seq > stream.seq)
    stream.seq = Math.max(stream.seq, seq)
    if (!fresh.length) return
    this.lastEvent = new Date()
    this.#tell("changes", { stream: stream.name, items: fresh })
  }

  #fallbackSoon() {
    clearTimeout(this.#fallback)
    this.#fallback = setTimeout(() => {
      for (const stream of this.#streams.values()) this.#poll(stream)
    }, FALLBACK_AFTER_MS)
  }

  // A browser has six connections to a server for all its tabs, so one that nobody sees asks, and holds none.
  async #poll(stream) {
    if (stream.polling) return
    const polling = stream.startPolling()
    for (let failures = 0; !polling.signal.aborted;) {
      try {
        const hidden = document.visibilityState === "hidden"
        const address = `/api/streams/${encodeURIComponent(stream.name)}?since=${stream.seq}&wait=${hidden ? 0 : LONG_POLL_S}`
        // A connection that is half dead never answers.
        const signal = AbortSignal.any([polling.signal, AbortSignal.timeout(POLL_PATIENCE_MS)])
        const { ok, data } = await request("GET", address, { signal })
        const whole = ok && (data.reset || Number.isInteger(data.seq))
        if (whole && !this.#caughtUp(stream, data)) break
        failures = whole ? 0 : failures + 1
        if (whole && hidden) await sleep(jitter(HIDDEN_PAUSE_MS))
      } catch (error) {
        if (error.name === "AbortError") break
        failures++
      }
      if (failures) await sleep(jitter(Math.min(10_000, 500 * 2 ** failures)))
    }
    if (stream.polling === polling) stream.stopPolling()
  }

  get #polling() { return [...this.#streams.values()].some(({ polling }) => polling) }

  #heard(status = 200) {
    clearTimeout(this.#lost)
    this.#lost = null
    if (status === 401) this.#tell("signedout")
    this.reached = true
    this.#tell("state")
  }

  // Silence counts as Offline only when it lasts: one lost request is not an outage, so the server is asked at once.
  #silent() {
    if (this.#lost || !this.reached) return
    this.#lost = setTimeout(() => {
      this.reached = false
      this.#tell("state")
    }, LOST_AFTER_MS)
    if (this.#socket.connected) this.#subscribeAll()
    else this.#ask()
  }

  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })) }
}

class Stream {
  asking = false
  askAgain = false
  ended = false
  polling = null

  constructor(name, seq) {
    this.name = name
    this.seq = seq
  }

  startPolling() { return (this.polling = new AbortController()) }

  stopPolling() {
    this.polling?.abort()
    this.polling = null
  }

  end() {
    this.ended = true
    this.stopPolling()
  }
}

export const connection = new Connection()
