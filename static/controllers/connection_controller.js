import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Offline, request } from "../helpers/api.js"
import { ago } from "../helpers/times.js"

const POLL_MS = 30_000
const SOON_MS = 2000
const BACKUP_POLL_MS = 5000
const WORK = ["chat_delivery_queue", "runs"]
const WORDS = { live: "Live", backup: "Backup", offline: "Offline" }
const TONES = { live: "ok", backup: "warn", offline: "bad" }
const BACKUP = {
  chat: "The agents’ worker does not answer. What you send waits, and is worked off when it returns.",
  runs: "The runs worker does not answer. What is approved waits for it, and nothing here can be checked until it returns.",
}
const MEANS = {
  live: "Messages and answers arrive as they happen.",
  offline: "The server does not answer. What you write is kept in this browser and sent when it returns. Nothing can be decided.",
}
const ACTIONS = { here: "Carried out once approved", away: "Wait for their executor" }
const TRANSPORTS = { websocket: "WebSocket", poll: "HTTP, long poll", none: "None" }

// The badge: Live, Backup or Offline, and what that means. Others have three ways to know, and no others:
// - `document.documentElement.dataset.mode` is "live", "backup" or "offline", for styles as html[data-mode="offline"];
// - the window's event `mode`, with detail {state}, tells of a change;
// - a button with the attribute `data-online` needs the server at once, as every decision does: it is disabled while
//   offline, and its title says why.
export default class extends Controller {
  static targets = ["dot", "word"]
  static values = { last: String, queue: { type: String, default: "chat" } }

  #mode = this.element.dataset.state
  #timer
  #soon
  #checked = null

  connect() {
    connection.addEventListener("state", this.#show)
    connection.addEventListener("changes", this.#changes)
    document.addEventListener("visibilitychange", this.#seen)
    document.getElementById("conn").addEventListener("toggle", this.#opened)
    this.#show()
    this.#check()
  }

  disconnect() {
    connection.removeEventListener("state", this.#show)
    connection.removeEventListener("changes", this.#changes)
    document.removeEventListener("visibilitychange", this.#seen)
    document.getElementById("conn")?.removeEventListener("toggle", this.#opened)
    clearTimeout(this.#timer)
    clearTimeout(this.#soon)
  }

  #seen = () => document.visibilityState === "visible" && this.#check()

  #opened = () => this.#detail()

  // Work that moved says more about the executor than the clock does: look again soon.
  #changes = ({ detail: { items } }) => {
    if (!items.some(({ table }) => WORK.includes(table)) || this.#soon) return
    this.#soon = setTimeout(() => {
      this.#soon = null
      this.#check()
    }, SOON_MS)
  }

  async #check() {
    clearTimeout(this.#timer)
    try {
      const { ok, data } = await request("GET", `/api/health?queue=${this.queueValue}`)
      if (ok) {
        this.#mode = data.mode
        this.#checked = new Date(data.checked_at ?? Date.now())
        if (data.last_ok_at) this.lastValue = data.last_ok_at
        document.documentElement.dataset.executor = data.executors.runs ? "here" : "away"
      }
    } catch (error) {
      if (!(error instanceof Offline)) throw error
    }
    if (!this.element.isConnected) return // the page was left meanwhile, and the next one asks for itself
    this.#wait()
    this.#show()
  }

  #wait() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#check(), this.#pause)
  }

  // What is wrong is looked at more often, so that its end is seen soon.
  get #pause() {
    if (!connection.reached) return SOON_MS
    return this.#mode === "live" ? POLL_MS : BACKUP_POLL_MS
  }

  #show = () => {
    const state = connection.reached ? this.#mode : "offline"
    if (this.element.dataset.state !== state || document.documentElement.dataset.mode !== state) {
      this.element.dataset.state = state
      this.element.setAttribute("aria-label", `Connection: ${WORDS[state]}`)
      this.wordTarget.textContent = WORDS[state]
      this.dotTarget.dataset.tone = TONES[state]
      document.documentElement.dataset.mode = state
      if (state === "offline") this.#wait() // what was to be looked at later is looked at soon
      this.#allow(state !== "offline")
      window.dispatchEvent(new CustomEvent("mode", { detail: { state } }))
    }
    if (document.getElementById("conn").matches(":popover-open")) this.#detail()
  }

  // What needs the server at once is off while it does not answer, and says why.
  #allow(online) {
    const buttons = online ? "[data-online=off]" : "[data-online]:enabled"
    for (const button of document.querySelectorAll(buttons)) {
      button.disabled = !online
      button.dataset.online = online ? "" : "off"
      button.title = online ? "" : "The server does not answer"
    }
  }

  #detail() {
    const { state } = this.element.dataset
    const last = this.lastValue && new Date(this.lastValue)
    const rows = {
      state: WORDS[state], means: MEANS[state] ?? BACKUP[this.queueValue], actions: ACTIONS[document.documentElement.dataset.executor] ?? "–", transport: TRANSPORTS[state === "offline" ? "none" : connection.transport],
      "checked-label": state === "live" ? "Last check" : "Last successful check",
      checked: state === "live" ? (this.#checked ? ago(this.#checked) : "–") : (last ? ago(last) : "never"),
      event: connection.lastEvent ? ago(connection.lastEvent) : "none yet",
    }
    for (const [name, text] of Object.entries(rows)) document.querySelector(`[data-conn="${name}"]`).textContent = text
  }
}
