import { Controller } from "@hotwired/stimulus"
import { waiting } from "../helpers/waiting.js"

const MOST = 20
const RISKS = { low: "Low", med: "Medium", high: "High" }

// What waits for this person, oldest first, beside the room; each line leads to its card.
export default class extends Controller {
  static targets = ["list", "count", "more", "template", "pause", "task"]
  static values = { path: String }

  connect() {
    waiting.addEventListener("change", this.#show)
    this.#show()
  }

  disconnect() { waiting.removeEventListener("change", this.#show) }

  // A card that is on this page is nearer than the list of all.
  jump(event) {
    const card = document.getElementById(`proposal_${event.currentTarget.dataset.id}`)
    if (!card) return
    event.preventDefault()
    card.scrollIntoView({ block: "center" })
    card.focus({ preventScroll: true })
  }

  #show = () => {
    const { rows } = waiting
    this.element.hidden = !rows.length
    this.countTarget.textContent = rows.length
    this.moreTarget.hidden = rows.length <= MOST
    this.listTarget.replaceChildren(...rows.slice(0, MOST).map((row) => this.#line(row)))
  }

  #line(row) {
    if (row.waits_since) return this.#task(row)
    return row.paused_at ? this.#pause(row) : this.#card(row)
  }

  #task({ number, title, waits_since: at }) {
    const line = this.taskTarget.content.firstElementChild.cloneNode(true)
    line.href += number
    line.querySelector("b").textContent = title
    line.querySelector("time").dateTime = at
    return line
  }

  #pause({ paused_at: at }) {
    const line = this.pauseTarget.content.firstElementChild.cloneNode(true)
    line.querySelector("time").dateTime = at
    return line
  }

  #card({ id, headline, risk_level: risk, proposed_by: agent, proposed_at: at }) {
    const line = this.templateTarget.content.firstElementChild.cloneNode(true)
    line.dataset.id = id
    line.href = `${this.pathValue}#proposal_${id}`
    line.querySelector("b").textContent = headline
    line.querySelector(".risk").dataset.risk = risk
    line.querySelector(".risk > span").textContent = RISKS[risk]
    line.querySelector(".avatar").dataset.agent = agent
    line.querySelector("time").dateTime = at
    return line
  }
}
