import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { agentById } from "../helpers/roster.js"

const WORDS = { idle: "online", thinking: "thinking", tool: "using a tool", writing: "writing an answer", offline: "offline" }
const DOTS = { idle: "on", offline: "away" }

// Who is here, and what each agent does now.
export default class extends Controller {
  static targets = ["count"]

  #online = new Set([document.body.dataset.me])

  connect() {
    connection.addEventListener("presence", this.#presence)
    connection.addEventListener("agent", this.#agent)
    connection.addEventListener("changes", this.#changes)
    document.addEventListener("refresh:done", this.#show)
    this.#show()
  }

  disconnect() {
    connection.removeEventListener("presence", this.#presence)
    connection.removeEventListener("agent", this.#agent)
    connection.removeEventListener("changes", this.#changes)
    document.removeEventListener("refresh:done", this.#show)
  }

  #show = () => {
    for (const row of this.#rows()) this.#showAgent(row, row.dataset.status, row.querySelector("[data-activity]").textContent)
    this.#showPeople()
  }

  #presence = ({ detail }) => {
    this.#online = new Set([...detail.online, document.body.dataset.me])
    this.#showPeople()
  }

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
    row.dataset.status = status
    row.querySelector(".presence").dataset.state = DOTS[status] ?? "busy"
    row.querySelector("[data-activity]").textContent = activity && activity !== status ? activity : WORDS[status] ?? status
  }

  #showPeople() {
    for (const row of this.element.querySelectorAll("[data-person-row]")) {
      const here = this.#online.has(row.dataset.personRow)
      row.querySelector(".presence").dataset.state = here ? "on" : "away"
      row.querySelector("[data-activity]").textContent = here ? "online" : "away"
    }
    if (!this.hasCountTarget) return
    const others = this.element.querySelectorAll('[data-person-row] [data-state="on"]').length - 1
    this.countTarget.textContent = others > 0 ? `you and ${others} other${others === 1 ? "" : "s"}` : "only you"
  }
}
