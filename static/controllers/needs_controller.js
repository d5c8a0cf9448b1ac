import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { parse, somethingOpen, typingIn } from "../helpers/dom.js"

// Everything that waits for a person, oldest first. What is decided meanwhile stays in its place, as one line, until
// the page is left: nothing jumps, and who was second sees who was first.
export default class extends Controller {
  static targets = ["list", "count", "empty"]

  connect() {
    connection.addEventListener("changes", this.#changes)
    connection.addEventListener("reset", this.#reset)
    if (location.hash) document.getElementById(location.hash.slice(1))?.focus()
  }

  disconnect() {
    connection.removeEventListener("changes", this.#changes)
    connection.removeEventListener("reset", this.#reset)
  }

  press(event) {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return
    const by = { j: 1, k: -1 }[event.key]
    if (!by || typingIn(event.target) || somethingOpen()) return
    const cards = this.#cards
    const here = cards.indexOf(document.activeElement?.closest(".approval, .pause"))
    const next = here < 0 ? cards.at(by > 0 ? 0 : -1) : cards[here + by]
    if (!next) return
    event.preventDefault()
    next.focus({ preventScroll: true })
    next.scrollIntoView({ block: "nearest" })
  }

  get #cards() { return [...this.listTarget.querySelectorAll(":scope > :is(.approval, .pause)")] }

  #changes = ({ detail: { items } }) => {
    const project = document.querySelector('meta[name="project"]').content
    for (const { table, id, row, html } of items) {
      if (row?.project_id !== project) continue
      if (table === "project_chat_threads" && row.kind === "room") this.#replace(`pause_${id}`, row.paused_at, html)
      if (table === "tasks") this.#replace(`task_${id}_waits`, row.waits_since, html)
      if (table !== "proposals") continue
      if (row.waits && !document.getElementById(`proposal_${id}`)) this.#insert(parse(html))
    }
    this.#count()
  }

  // Nothing of it is left to look at once somebody did what was to be done.
  #replace(id, waits, html) {
    document.getElementById(id)?.remove()
    if (waits) this.#insert(parse(html))
  }

  #insert(card) {
    const later = this.#cards.find(({ dataset: { at }, id }) => at > card.dataset.at || (at === card.dataset.at && id > card.id))
    if (later) later.before(card)
    else this.listTarget.append(card)
  }

  #count() {
    const count = this.listTarget.querySelectorAll(":scope > [data-waits]").length
    this.countTarget.textContent = count
    this.countTarget.hidden = !count
    this.emptyTarget.hidden = this.#cards.length > 0
  }

  #reset = () => visit(location.href, { action: "replace" })
}
