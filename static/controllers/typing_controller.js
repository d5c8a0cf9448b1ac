import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { agentName, personName } from "../helpers/roster.js"

const LASTS_MS = 5000
const DOES = { thinking: "is thinking", tool: "is using a tool" }

// One line under the stream: who types, and which agents think.
export default class extends Controller {
  static values = { thread: String, agent: String } // in a conversation only its agent is told of

  #people = new Map()
  #agents = new Map()
  #answered = new Map() // delivery -> the agent that has it in hand
  #transport = connection.transport

  connect() {
    connection.addEventListener("typing", this.#typing)
    connection.addEventListener("agent", this.#agent)
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("state", this.#state)
  }

  disconnect() {
    connection.removeEventListener("typing", this.#typing)
    connection.removeEventListener("agent", this.#agent)
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("state", this.#state)
    for (const timer of this.#people.values()) clearTimeout(timer)
  }

  #typing = ({ detail: { thread_id, user_id } }) => {
    if (thread_id !== this.threadValue || user_id === document.body.dataset.me) return
    clearTimeout(this.#people.get(user_id))
    this.#people.set(user_id, setTimeout(() => this.#ends(user_id), LASTS_MS))
    this.#show()
  }

  // A signal may be lost, a change is not: who has sent the message types it no more, and an agent thinks no more once its
  // line of the roster says so, or its last answer has ended: a short one never comes to stand on that line.
  #changes = ({ detail: { items } }) => {
    for (const { table, id, row } of items) {
      if (table === "project_chat_messages" && row?.thread_id === this.threadValue && this.#people.has(row.user_id)) this.#ends(row.user_id)
      if (table === "agent_status" && row && !(row.status in DOES)) this.#rests(row.agent_key)
      if (table === "chat_delivery_queue" && row) this.#delivery(id, row)
    }
  }

  #delivery(id, { status, target_agent_key: agent }) {
    if (status === "delivered") this.#answered.set(id, agent)
    else this.#answered.delete(id)
    if (status !== "queued" && ![...this.#answered.values()].includes(agent)) this.#rests(agent)
  }

  // What was said before a connection was lost may have ended unheard: only what is said again stands.
  #state = () => {
    if (connection.transport === this.#transport) return
    this.#transport = connection.transport
    this.#agents.clear()
    this.#show()
  }

  #ends(user) {
    clearTimeout(this.#people.get(user))
    this.#people.delete(user)
    this.#show()
  }

  #agent = ({ detail: { agent, status, activity, tool } }) => {
    if (this.agentValue && agent !== this.agentValue) return
    if (!(status in DOES)) return this.#rests(agent)
    this.#agents.set(agent, status === "tool" && (tool || activity) ? `is using ${tool || activity}` : DOES[status])
    this.#show()
  }

  #rests(agent) {
    if (this.#agents.delete(agent)) this.#show()
  }

  #show() {
    const people = [...this.#people.keys()].map((id) => personName(id))
    const typing = people.length > 2 ? "Several people are typing…" : people.length ? `${people.join(" and ")} ${people.length === 1 ? "is" : "are"} typing…` : ""
    const agents = [...this.#agents].map(([key, does]) => `${agentName(key)} ${does}…`)
    this.element.textContent = [typing, ...agents].filter(Boolean).join(" · ")
  }
}
