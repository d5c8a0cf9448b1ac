import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { morph, parse } from "../helpers/dom.js"

// The list of documents: a row that changed takes its place among those of its agent, by name.
export default class extends Controller {
  static targets = ["group", "empty"]

  connect() { connection.addEventListener("changes", this.#changes) }

  disconnect() { connection.removeEventListener("changes", this.#changes) }

  #changes = ({ detail: { items } }) => {
    for (const { table, html } of items) if (table === "brain_docs" && html) this.#show(parse(html))
  }

  #show(fresh) {
    const current = document.getElementById(fresh.id)
    if (current) return morph(current, fresh)
    const group = this.groupTargets.find(({ dataset }) => dataset.agent === fresh.dataset.docAgent)
    if (!group) return
    const after = [...group.children].find(({ dataset }) => dataset.doc > fresh.dataset.doc)
    group.insertBefore(fresh, after ?? null)
    group.closest("section").hidden = false
    this.emptyTarget.hidden = true
  }
}
