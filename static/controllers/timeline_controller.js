import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { parse } from "../helpers/dom.js"
import { seqOf } from "../helpers/message.js"

// The timeline of one task, which only grows: puts what arrives in its place.
export default class extends Controller {
  static targets = ["list"]
  static values = { task: String, newest: Boolean }

  connect() {
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#reset)
    for (const line of this.listTarget.children) prepare(line)
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#reset)
  }

  latest() { this.element.scrollIntoView({ block: "end" }) }

  #changes = ({ detail: { items } }) => {
    for (const { table, row, html } of items) if (table === "task_events" && row?.task_id === this.taskValue) this.#arrived(parse(html))
  }

  // On a page of earlier ones the end is elsewhere.
  #arrived(line) {
    if (this.newestValue && !document.getElementById(line.id)) this.#insert(prepare(line))
    this.dispatch("arrived", { detail: { clientId: line.dataset.clientId } })
  }

  #insert(line) {
    const before = [...this.listTarget.children].findLast((one) => comesBefore(one, line))
    if (before) before.after(line)
    else this.listTarget.prepend(line)
  }

  #reset = () => visit(location.href, { action: "replace" })
}

// By time, then by seq: what was moved here from an older table has a late seq and an early time.
function comesBefore(one, other) {
  const [at, otherAt] = [one.dataset.at, other.dataset.at]
  return at < otherAt || (at === otherAt && seqOf(one) < seqOf(other))
}

function prepare(line) {
  line.toggleAttribute("data-mine", line.dataset.user === document.body.dataset.me)
  return line
}
