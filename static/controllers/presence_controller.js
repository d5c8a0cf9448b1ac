import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { agent as agentOf, agentById, setStatus } from "../helpers/roster.js"

const WORDS = { idle: "online", thinking: "thinking", tool: "using a tool", writing: "writing an answer", offline: "offline" }
const DOTS = { idle: "on", offline: "away" }

// Who is here, and what each agent does now.
export default class extends Controller {
  static targets = ["count"]

  connect() {
    connection.addEventListener("presence", this.#presence)
    connection.addEventListener("agent", this.#agent)
    connection.addEventListener("changes", this.#changes)
    document.addEventListener("refresh:done", this.show)
    window.addEventListener("mode", this.show)
    this.show()
  }

  disconnect() {
    connection.removeEventListener("presence", this.#presence)
    connection.removeEventListener("agent", this.#agent)
    connection.removeEventListener("changes", this.#changes)
    document.removeEventListener("refresh:done", this.show)
    window.removeEventListener("mode", this.show)
  }

  show = () => {
    for (const row of this.#rows()) this.#showAgent(row, row.dataset.status, row.dataset.activity)
    this.#showPeople()
  }

  #presence = () => this.#showPeople()

  #agent = ({ detail: { agent, status, activity, tool } }) => {
    for (const row of this.#rows(agent)) this.#showAgent(row, status, activity || (tool ? `using ${tool}` : ""))
  }

  #changes = ({ detail: { items } }) => {
    for (const { table, row } of items) {
      if (table !== "agent_status" || !row) continue
      const key = row.agent_key ?? agentById(row.agent_id)?.key
      for (const line of this.#rows(key)) this.#showAgent(line, row.status, row.activity)
    }
  }

  #rows(key) {
    return this.element.querySelectorAll(key ? `[data-agent-row="${CSS.escape(key)}"]` : "[data-agent-row]")
  }

  #showAgent(row, status, activity) {
    Object.assign(row.dataset, { status, activity: activity ?? "" })
    setStatus(row.dataset.agentRow, status)
    const shown = this.#away(row.dataset.agentRow) ? "offline" : status
    row.querySelector(".presence").dataset.state = DOTS[shown] ?? "busy"
    row.querySelector("[data-doing]").textContent = (shown === status && activity) || WORDS[shown] || shown
  }

  // A built-in agent lives in the worker: while that does not answer, it is away. Who is offline knows of nobody.
  #away(key) { return this.#offline || (document.documentElement.dataset.mode === "backup" && agentOf(key)?.runtime !== "external") }

  get #offline() { return document.documentElement.dataset.mode === "offline" }

  #showPeople() {
    const online = new Set([document.body.dataset.me, ...connection.online(document.querySelector('meta[name="project"]').content)])
    for (const row of this.element.querySelectorAll("[data-person-row]")) {
      const here = !this.#offline && online.has(row.dataset.personRow)
      row.querySelector(".presence").dataset.state = here ? "on" : "away"
      row.querySelector("[data-doing]").textContent = here ? "online" : "away"
    }
    if (!this.hasCountTarget) return
    const others = this.element.querySelectorAll('[data-person-row] [data-state="on"]').length - 1
    this.countTarget.textContent = others > 0 ? `you and ${others} other${others === 1 ? "" : "s"}` : "only you"
  }
}
